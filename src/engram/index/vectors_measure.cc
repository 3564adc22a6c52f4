#include "engram/index/vectors_measure.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "engram/base/prng.h"
#include "engram/index/kernels.h"
#include "engram/index/vectors.h"
#include "engram/index/vectors_codes.h"

namespace engram::index {
namespace {

constexpr uint64_t kBatch = 1000;

std::vector<float> RandomVector(Prng& prng, uint32_t dimension) {
  std::vector<float> vector(dimension);
  for (float& value : vector) {
    value = 0;
    for (int i = 0; i < 4; ++i) value += static_cast<float>(prng.Unit() - 0.5);  // almost normal
  }
  return vector;
}

Status Fill(VectorIndex& index, const VectorMeasureOptions& options, Prng& prng) {
  uint64_t sequence = 0;
  while (sequence < options.vectors) {
    std::vector<std::vector<float>> vectors;
    std::vector<VectorAdd> added;
    const uint64_t count = std::min(kBatch, options.vectors - sequence);
    for (uint64_t i = 0; i < count; ++i) vectors.push_back(RandomVector(prng, options.dimension));
    for (const auto& vector : vectors) added.push_back({Sequence(++sequence), vector});
    IndexIdentity through;
    through.sequence = Sequence(sequence);
    RETURN_IF_ERROR(index.Apply(added, through));
  }
  return index.Flush();
}

template <class Work>
double MedianSeconds(env::Clock& clock, int rounds, const Work& work) {
  std::vector<double> seconds;
  for (int i = 0; i < rounds; ++i) {
    const env::Instant start = clock.Now();
    work();
    seconds.push_back(std::chrono::duration<double>(clock.Now() - start).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + rounds / 2, seconds.end());
  return std::max(seconds[static_cast<size_t>(rounds / 2)], 1e-9);
}

std::vector<Measurement> Measure(VectorIndex& index, env::Clock& clock,
                                 const VectorMeasureOptions& options, Prng& prng) {
  const size_t bytes = options.vectors * CodeStride(options.dimension);
  const std::vector<float> query = RandomVector(prng, options.dimension);
  size_t candidates = 0;
  const double scan = MedianSeconds(clock, options.rounds, [&] {
    candidates = index.Nearest(query, options.results, nullptr).size();
  });
  const auto buffer = hwy::AllocateAligned<uint8_t>(bytes);
  std::fill_n(buffer.get(), bytes, uint8_t{1});
  volatile uint64_t sink = 0;
  const double read =
      MedianSeconds(clock, options.rounds, [&] { sink = ReadBytes(buffer.get(), bytes); });
  static_cast<void>(sink);
  const double giga = static_cast<double>(bytes) / 1e9;
  const std::string size =
      std::to_string(options.vectors) + "x" + std::to_string(options.dimension);
  const std::string bandwidth = std::string("reading as many bytes, ") + KernelTarget();
  return {
      {"vector_scan_" + size + "_time", scan * 1e3, "ms", read / scan, bandwidth},
      {"vector_scan_" + size + "_bandwidth", giga / scan, "GB/s", read / scan, bandwidth},
      {"memory_read_bandwidth", giga / read, "GB/s", 0, ""},
      {"vector_scan_" + size + "_candidates", static_cast<double>(candidates), "vectors",
       static_cast<double>(candidates) / static_cast<double>(options.results), "results"},
  };
}

}  // namespace

Result<std::vector<Measurement>> MeasureVectorScan(env::FileSystem& fs, env::Clock& clock,
                                                   const std::string& directory,
                                                   const VectorMeasureOptions& options) {
  const std::string path = env::JoinPath(directory, "measured-vectors.bin");
  RETURN_IF_ERROR(VectorIndex::Destroy(fs, path));
  Prng prng(1);
  std::vector<Measurement> measured;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<VectorIndex> index,
                     VectorIndex::Open(fs, path, Incarnation(), options.dimension));
    RETURN_IF_ERROR(Fill(*index, options, prng));
    measured = Measure(*index, clock, options, prng);
  }
  RETURN_IF_ERROR(VectorIndex::Destroy(fs, path));
  return measured;
}

}  // namespace engram::index
