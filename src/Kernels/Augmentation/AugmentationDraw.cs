namespace Pascl.Kernels;

/// <summary>Which random numbers of <see cref="CounterRandom"/> an augmentation uses; the image's number is the rest of the counter.</summary>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Epoch">Epoch, from 0.</param>
/// <param name="Stream">Which view, or another stream.</param>
public readonly record struct AugmentationDraw(ulong Seed, int Epoch, int Stream);
