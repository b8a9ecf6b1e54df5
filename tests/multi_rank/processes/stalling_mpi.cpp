// Calls of MPI that one rank never gets into, as if it had been stopped right there:
// PROBE_STALL=MPI_Isend PROBE_STALL_RANK=1. The program's own definitions go before the library's.
// They also count messages.
#include "tests/multi_rank/processes/stalling_mpi.h"

#include <mpi.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace {

int g_messages = 0;
volatile bool g_never_tests = false;

void StallIn(std::string_view call) {
  const char* stalled = std::getenv("PROBE_STALL");
  const char* who = std::getenv("PROBE_STALL_RANK");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (stalled == nullptr || who == nullptr || rank == nullptr) return;
  while (call == stalled && std::string_view(who) == rank) ::sleep(100);
}

}  // namespace

namespace lockstep::testing {

int MessagesOfThisRank() { return g_messages; }

void ComputeForeverInTestsome() { g_never_tests = true; }

}  // namespace lockstep::testing

extern "C" {

int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  StallIn("MPI_Init_thread");
  return PMPI_Init_thread(argc, argv, required, provided);
}

int MPI_Isend(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request* request) {
  StallIn("MPI_Isend");
  ++g_messages;
  return PMPI_Isend(data, count, type, to, tag, comm, request);
}

int MPI_Irecv(void* data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
              MPI_Request* request) {
  StallIn("MPI_Irecv");
  ++g_messages;
  return PMPI_Irecv(data, count, type, from, tag, comm, request);
}

int MPI_Testsome(int count, MPI_Request requests[], int* completed, int done[],
                 MPI_Status statuses[]) {
  while (g_never_tests) {
  }
  return PMPI_Testsome(count, requests, completed, done, statuses);
}

int MPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm* part) {
  StallIn("MPI_Comm_split");
  return PMPI_Comm_split(comm, color, key, part);
}

int MPI_Comm_split_type(MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm* part) {
  StallIn("MPI_Comm_split_type");
  return PMPI_Comm_split_type(comm, type, key, info, part);
}

int MPI_Allgather(const void* mine, int count, MPI_Datatype type, void* all, int all_count,
                  MPI_Datatype all_type, MPI_Comm comm) {
  StallIn("MPI_Allgather");
  return PMPI_Allgather(mine, count, type, all, all_count, all_type, comm);
}

int MPI_Bcast(void* data, int count, MPI_Datatype type, int root, MPI_Comm comm) {
  StallIn("MPI_Bcast");
  return PMPI_Bcast(data, count, type, root, comm);
}

int MPI_Finalize() {
  StallIn("MPI_Finalize");
  return PMPI_Finalize();
}

}  // extern "C"
