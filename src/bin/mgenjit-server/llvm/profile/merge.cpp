// An indexed profile of other profiles: what a process counted, what clang's programs write, and indexed ones.

#include "profile.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ProfileData/InstrProfReader.h"
#include "llvm/ProfileData/InstrProfWriter.h"
#include "llvm/Support/MathExtras.h"

namespace mgenjit {

// Adds up what a place has of equal values: threads that meet a value first at the same moment each take room for it. LLVM writes no
// profile of a size that is there twice.
static void addEqual(InstrProfRecord &Record) {
  std::vector<std::vector<InstrProfValueData>> All[IPVK_Last + 1];
  for (uint32_t Kind = IPVK_First; Kind <= IPVK_Last; ++Kind)
    for (uint32_t Site = 0; Site < Record.getNumValueSites(Kind); ++Site) {
      MapVector<uint64_t, uint64_t> Counts;
      for (const InstrProfValueData &One : Record.getValueArrayForSite(Kind, Site)) {
        uint64_t &Count = Counts[One.Value];
        Count = SaturatingAdd(Count, One.Count);
      }
      auto &Values = All[Kind].emplace_back();
      for (auto [Value, Count] : Counts)
        Values.push_back({Value, Count});
    }
  Record.clearValueData();
  for (uint32_t Kind = IPVK_First; Kind <= IPVK_Last; ++Kind) {
    Record.reserveSites(Kind, All[Kind].size());
    for (uint32_t Site = 0; Site < All[Kind].size(); ++Site)
      Record.addValueData(Kind, Site, All[Kind][Site], nullptr);
  }
}

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
  for (NamedInstrProfRecord &Record : R) {
    addEqual(Record);
    // What it has to say: a count that would not fit is the largest one, and a function that differs stays out.
    Writer.addRecord(std::move(Record), [](Error E) { consumeError(std::move(E)); });
  }
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
  auto Merged = Writer.writeBuffer();
  if (Merged)
    return Merged;
  AtFault = 0;
  return createStringError("LLVM finds it invalid");
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
