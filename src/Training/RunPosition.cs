namespace Pascl.Training;

/// <summary>How far a run has come, all from 0.</summary>
/// <param name="Phase">The phase of the next step.</param>
/// <param name="Epoch">Its epoch within the phase.</param>
/// <param name="Step">Its number within the epoch.</param>
public readonly record struct RunPosition(int Phase, int Epoch, int Step)
{
    /// <summary>The start of the next epoch.</summary>
    public RunPosition NextEpoch => new(Phase, Epoch + 1, 0);

    /// <summary>The start of the next phase.</summary>
    public RunPosition NextPhase => new(Phase + 1, 0, 0);

    /// <summary>Whether no step of the phase was taken yet.</summary>
    public bool IsPhaseStart => Epoch == 0 && Step == 0;
}
