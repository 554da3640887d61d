namespace Pascl.Training.Data;

/// <summary>Which batch of a phase it is.</summary>
/// <param name="Epoch">Epoch, from 0.</param>
/// <param name="Step">Batch within the epoch, from 0.</param>
/// <param name="StepsPerEpoch">Batches in an epoch.</param>
public readonly record struct BatchPosition(int Epoch, int Step, int StepsPerEpoch)
{
    /// <summary>The epochs that the phase will have finished after this batch, with fractions.</summary>
    public double EpochsAfter => Epoch + ((Step + 1.0) / StepsPerEpoch);
}
