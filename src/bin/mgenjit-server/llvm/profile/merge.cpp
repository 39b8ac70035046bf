// An indexed profile of other profiles: what a process counted, what clang's programs write, and indexed ones.

#include "profile.h"
#include "llvm/ProfileData/InstrProfReader.h"
#include "llvm/ProfileData/InstrProfWriter.h"

namespace mgenjit {

static Error add(InstrProfWriter &Writer, StringRef Profile) {
  // A raw profile must be aligned.
  auto Reader = InstrProfReader::create(MemoryBuffer::getMemBufferCopy(Profile));
  if (Error E = Reader.takeError()) {
    // Nothing was counted: no more than an empty list.
    return handleErrors(std::move(E), [](std::unique_ptr<InstrProfError> Why) -> Error {
      if (Why->get() == instrprof_error::empty_raw_profile)
        return Error::success();
      return Error(std::move(Why));
    });
  }
  InstrProfReader &R = **Reader;
  if (Error E = Writer.mergeProfileKind(R.getProfileKind()))
    return E;
  for (NamedInstrProfRecord &Record : R)
    // What it has to say: a count that would not fit is the largest one, and a function that differs stays out.
    Writer.addRecord(std::move(Record), [](Error E) { consumeError(std::move(E)); });
  return R.getError();
}

Expected<std::unique_ptr<MemoryBuffer>> merge(const Bytes *Profiles, size_t Count, size_t &AtFault) {
  InstrProfWriter Writer;
  for (AtFault = 0; AtFault < Count; ++AtFault)
    if (Error E = add(Writer, Profiles[AtFault].str()))
      return E;
  if (Writer.getProfileKind() == InstrProfKind::Unknown)
    // What these have that have counted something.
    cantFail(Writer.mergeProfileKind(InstrProfKind::IRInstrumentation));
  return Writer.writeBuffer();
}

} // namespace mgenjit

using namespace mgenjit;

extern "C" {

// Returns whether it could be done; `Take` gets the profile, else what was wrong with the one at fault.
bool mgenjit_profile_merge(const Bytes *Profiles, size_t Count, size_t *AtFault, Sink Take, void *Argument) {
  auto Merged = merge(Profiles, Count, *AtFault);
  if (!Merged) {
    std::string Why = toString(Merged.takeError());
    Take(Argument, Why.data(), Why.size());
    return false;
  }
  Take(Argument, (*Merged)->getBufferStart(), (*Merged)->getBufferSize());
  return true;
}

} // extern "C"
