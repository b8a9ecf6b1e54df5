#pragma once

namespace lockstep::cuda_emulation {

// Sees to it that queued work moves on when the program makes no calls for a while: a real device
// works while its host waits for other processes. Starts one thread per process, at the first call.
void StartIdleProgress();

// Every call of the API counts, so that the thread can tell an idle program.
void CountApiCall();

}  // namespace lockstep::cuda_emulation
