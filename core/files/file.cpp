#include "core/files/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"

namespace lockstep {
namespace {

std::string LastError() { return std::generic_category().message(errno); }

// Closes the descriptor at the end of the scope.
struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

int Open(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (fd >= 0) return fd;
  if (errno == ENOENT || errno == ENOTDIR) throw BadInput("{}: no such file", path.string());
  throw EnvironmentError("{}: cannot be opened: {}", path.string(), LastError());
}

std::string_view KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe (FIFO)";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

void RequireRegular(const std::filesystem::path& path, const struct stat& info) {
  if (!S_ISREG(info.st_mode))
    throw BadInput("{}: is {}; expected a file", path.string(), KindOf(info.st_mode));
}

// Asks before it opens, because a socket cannot be opened and some devices do something then.
// O_NONBLOCK: what is there when it opens may be a pipe all the same, and is found out later.
int OpenRegular(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) RequireRegular(path, info);
  return Open(path, O_NONBLOCK | O_NOCTTY);
}

struct stat Inspect(int fd, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0)
    throw EnvironmentError("{}: cannot be inspected: {}", path.string(), LastError());
  return info;
}

std::string ReadToEnd(int fd, const std::filesystem::path& path) {
  std::string text;
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (errno == EISDIR) {
      throw BadInput("{}: is a folder; expected a file", path.string());
    } else if (errno != EINTR) {
      throw EnvironmentError("{}: reading failed: {}", path.string(), LastError());
    }
  }
}

std::filesystem::file_status StatusOf(const std::filesystem::path& path,
                                      std::filesystem::file_status status,
                                      const std::error_code& code) {
  using std::filesystem::file_type;
  if (status.type() == file_type::none)
    throw EnvironmentError("{}: cannot be inspected: {}", path.string(), code.message());
  return status;
}

void Advise(std::span<const std::byte> file, std::size_t offset, std::size_t length, int advice) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (offset >= file.size() || length == 0) return;
  const std::size_t begin = offset / page * page;
  const std::size_t end = offset + std::min(length, file.size() - offset);
  // The mapping is ours and read-only: const_cast is what the C interface asks for.
  ::madvise(const_cast<std::byte*>(file.data()) + begin, end - begin, advice);
}

}  // namespace

std::string ReadFile(const std::filesystem::path& path) {
  const Descriptor file{OpenRegular(path)};
  RequireRegular(path, Inspect(file.fd, path));
  return ReadToEnd(file.fd, path);
}

std::string ReadStream(const std::filesystem::path& path) {
  const Descriptor file{Open(path, 0)};
  return ReadToEnd(file.fd, path);
}

bool FileExists(const std::filesystem::path& path) {
  std::error_code code;
  const auto status = std::filesystem::symlink_status(path, code);
  return StatusOf(path, status, code).type() != std::filesystem::file_type::not_found;
}

bool IsFolder(const std::filesystem::path& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  return StatusOf(path, status, code).type() == std::filesystem::file_type::directory;
}

bool IsRegularFile(const std::filesystem::path& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  return StatusOf(path, status, code).type() == std::filesystem::file_type::regular;
}

MappedFile::MappedFile(const std::filesystem::path& path)
    : path_(path), descriptor_(OpenRegular(path)) {
  // The destructor does not run for what a constructor leaves by an exception.
  Descriptor closed_on_failure{descriptor_};
  const struct stat info = Inspect(descriptor_, path);
  RequireRegular(path, info);
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ != 0) {  // mmap refuses empty files
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor_, 0);
    if (address == MAP_FAILED)
      throw EnvironmentError("{}: cannot be mapped: {}", path.string(), LastError());
    data_ = static_cast<const std::byte*>(address);
    guard_ = std::make_unique<TruncationGuard>(data_, size_);
  }
  closed_on_failure.fd = -1;
}

MappedFile::~MappedFile() {
  guard_.reset();
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  ::close(descriptor_);
}

void MappedFile::CheckIntact() const {
  const auto now = static_cast<std::size_t>(Inspect(descriptor_, path_).st_size);
  if (now < size_)
    throw EnvironmentError(
        "{}: was truncated while it was read: it had {} bytes and has {} now; let whatever writes "
        "it "
        "finish, or download it again, and start anew",
        path_.string(), size_, now);
  if (guard_ != nullptr && guard_->hit())
    throw EnvironmentError(
        "{}: part of it could not be read: its disk failed, or it was truncated for a while; check "
        "the disk and what writes to the file, and start anew",
        path_.string());
}

void MappedFile::Prefetch(std::size_t offset, std::size_t length) const {
  // One hint starts at most the device's largest read-ahead and silently drops the rest; 128 KiB
  // is Linux's default for it.
  constexpr std::size_t kHintBytes = std::size_t{128} << 10;
  if (offset >= size_) return;
  const std::size_t end = offset + std::min(length, size_ - offset);
  for (std::size_t begin = offset; begin < end; begin += kHintBytes)
    Advise(bytes(), begin, std::min(kHintBytes, end - begin), MADV_WILLNEED);
}

void MappedFile::Release(std::size_t offset, std::size_t length) const {
  Advise(bytes(), offset, length, MADV_DONTNEED);
}

void MappedFile::DisableReadAhead() const { Advise(bytes(), 0, size_, MADV_RANDOM); }

std::vector<std::string> NamesIn(const std::filesystem::path& folder) {
  std::error_code code;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator entry(folder, code), end; !code && entry != end;
       entry.increment(code))
    names.push_back(entry->path().filename().string());
  if (code) throw EnvironmentError("{}: cannot be listed: {}", folder.string(), code.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::filesystem::path WithoutLinks(std::filesystem::path path) {
  constexpr int kMostLinks = 40;  // as the kernel has it
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code code;
    const auto target = std::filesystem::read_symlink(path, code);
    if (code) return path;  // it is no link
    path = path.parent_path() / target;
  }
  throw EnvironmentError("{}: too many symbolic links", path.string());
}

void CheckReplaceable(const std::filesystem::path& path) {
  if (IsFolder(path))
    throw EnvironmentError("{}: is a folder; expected a file to write", path.string());
  if (FileExists(path) && ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0)
    throw EnvironmentError("{}: cannot be written: {}", path.string(), LastError());
}

void Replace(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw EnvironmentError("{}: cannot be written: {}", to.string(), LastError());
}

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(WithoutLinks(path)) {
  CheckReplaceable(path_);  // else found by Commit(), hours later
  temporary_ = std::make_unique<LockedFile>(path_.string() + ".writing", path.string());
  if (IsRegularFile(temporary_->path())) temporary_->Truncate(0);
}

AtomicFile::~AtomicFile() {
  if (temporary_ != nullptr) ::unlink(temporary_->path().c_str());
}

void AtomicFile::Write(std::string_view text) {
  constexpr std::size_t kBufferBytes = 1 << 16;
  unwritten_ += text;
  if (unwritten_.size() >= kBufferBytes) Flush();
}

void AtomicFile::Flush() { temporary_->Write(std::exchange(unwritten_, {})); }

void AtomicFile::Commit() {
  Flush();
  temporary_->Flush();
  Replace(temporary_->path(), path_);
  temporary_.reset();
}

}  // namespace lockstep
