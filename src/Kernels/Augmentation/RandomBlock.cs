namespace Pascl.Kernels;

/// <summary>Four independent, uniformly distributed 32-bit numbers: the result of one call of <see cref="CounterRandom"/>.</summary>
/// <param name="First">First number.</param>
/// <param name="Second">Second number.</param>
/// <param name="Third">Third number.</param>
/// <param name="Fourth">Fourth number.</param>
public readonly record struct RandomBlock(uint First, uint Second, uint Third, uint Fourth);
