#include "core/threads/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "core/error.h"

namespace lockstep {
namespace {

using Shares = std::map<std::int64_t, std::int64_t>;  // begin -> end

Shares SharesOf(ThreadPool& pool, std::int64_t count) {
  Shares shares;
  std::mutex mutex;
  pool.ParallelFor(count, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(shares.emplace(begin, end).second) << "twice from " << begin;
  });
  return shares;
}

class ThreadPoolOf : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolOf, ::testing::Values(1, 2, 3, 7));

TEST_P(ThreadPoolOf, VisitsEveryIndexExactlyOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.size(), GetParam());
  for (const std::int64_t count : {1, 2, 6, 7, 8, 1000}) {
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
    pool.ParallelFor(count, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
    });
    for (const auto& visit : visits) EXPECT_EQ(visit.load(), 1);
  }
}

TEST_P(ThreadPoolOf, GivesTheSameSharesEveryTime) {
  ThreadPool pool(GetParam());
  const Shares first = SharesOf(pool, 100);
  EXPECT_EQ(first.size(), static_cast<std::size_t>(GetParam()));
  for (int repeat = 0; repeat < 50; ++repeat) ASSERT_EQ(SharesOf(pool, 100), first);
}

TEST_P(ThreadPoolOf, VisitsEveryIndexOfPiecesExactlyOnce) {
  ThreadPool pool(GetParam());
  for (const std::int64_t most : {1, 3, 16}) {
    for (const std::int64_t count : {1, 2, 7, 48, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      pool.ParallelForPieces(count, most, [&](std::int64_t begin, std::int64_t end) {
        if (pool.size() > 1) {
          EXPECT_LE(end - begin, most);
        }
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      for (const auto& visit : visits) ASSERT_EQ(visit.load(), 1) << count << " by " << most;
    }
  }
}

TEST_P(ThreadPoolOf, PiecesAndSharesFollowEachOther) {
  ThreadPool pool(GetParam());
  // Unsynchronised on purpose, as below. Workers that come late to a loop must not touch it.
  std::vector<std::int64_t> data(64, 0);
  const ThreadPool::Body add = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++data[static_cast<std::size_t>(i)];
  };
  for (int repeat = 0; repeat < 2000; ++repeat) {
    const std::int64_t count = 1 + repeat % 64;
    std::ranges::fill(data, 0);
    if (repeat % 3 == 0) {
      pool.ParallelFor(count, add);
    } else {
      pool.ParallelForPieces(count, 1 + repeat % 5, add);
    }
    for (std::int64_t i = 0; i < 64; ++i)
      ASSERT_EQ(data[static_cast<std::size_t>(i)], i < count ? 1 : 0) << repeat;
  }
}

TEST(ThreadPool, AThreadThatIsHeldUpHoldsUpItsPieceOnly) {
  ThreadPool pool(2);
  constexpr std::int64_t kCount = 100;
  std::atomic<std::int64_t> others = 0;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  pool.ParallelForPieces(kCount, 1, [&](std::int64_t begin, std::int64_t) {
    if (begin != 0) {
      ++others;
      return;
    }
    while (others != kCount - 1 && std::chrono::steady_clock::now() < give_up)
      std::this_thread::yield();
    EXPECT_EQ(others.load(), kCount - 1) << "the rest of its share waited for it";
  });
}

TEST_P(ThreadPoolOf, CallsNoBodyForAnEmptyLoop) {
  ThreadPool pool(GetParam());
  pool.ParallelForPieces(0, 4, [](std::int64_t, std::int64_t) { FAIL() << "called"; });
  pool.ParallelFor(0, [](std::int64_t, std::int64_t) { FAIL() << "called"; });
  pool.ParallelFor(-5, [](std::int64_t, std::int64_t) { FAIL() << "called"; });
}

TEST_P(ThreadPoolOf, RethrowsTheBodysExceptionAndGoesOn) {
  ThreadPool pool(GetParam());
  for (int repeat = 0; repeat < 20; ++repeat) {
    EXPECT_THROW(pool.ParallelFor(100,
                                  [](std::int64_t, std::int64_t end) {
                                    if (end == 100) throw std::runtime_error("last share");
                                  }),
                 std::runtime_error);
    EXPECT_THROW(pool.ParallelForPieces(100, 7,
                                        [](std::int64_t, std::int64_t end) {
                                          if (end == 100) throw std::runtime_error("last piece");
                                        }),
                 std::runtime_error);
    std::atomic<std::int64_t> sum = 0;
    pool.ParallelFor(100, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    ASSERT_EQ(sum.load(), 100);
  }
}

TEST_P(ThreadPoolOf, ReturnsOnlyWhenAllSharesAreDone) {
  ThreadPool pool(GetParam());
  // Unsynchronised on purpose: only ParallelFor's own ordering makes this free of races (tsan).
  std::vector<std::int64_t> data(64, 0);
  for (int repeat = 0; repeat < 200; ++repeat) {
    pool.ParallelFor(64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++data[static_cast<std::size_t>(i)];
    });
    for (std::int64_t value : data) ASSERT_EQ(value, repeat + 1);
  }
}

TEST(ThreadPool, EveryThrowingShareLeavesOneException) {
  ThreadPool pool(4);
  EXPECT_THROW(
      pool.ParallelFor(4, [](std::int64_t, std::int64_t) { throw std::logic_error("all"); }),
      std::logic_error);
}

TEST(ThreadPool, EndsWithoutEverHavingWorked) {
  for (int repeat = 0; repeat < 20; ++repeat) ThreadPool pool(4);
}

TEST(ThreadPool, RefusesToHaveNoThread) {
  EXPECT_THROW(ThreadPool(0), Error);
  EXPECT_THROW(ThreadPool(-1), Error);
}

TEST(ThreadPool, RefusesPiecesOfNothing) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.ParallelForPieces(5, 0, [](std::int64_t, std::int64_t) {}), Error);
  EXPECT_THROW(pool.ParallelForPieces(std::int64_t{1} << 32, 1, [](std::int64_t, std::int64_t) {}),
               Error);
}

}  // namespace
}  // namespace lockstep
