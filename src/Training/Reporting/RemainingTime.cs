namespace Pascl.Training.Reporting;

/// <summary>Estimates when a phase will be done, from the steps that this process has seen.</summary>
internal sealed class RemainingTime(TimeProvider clock)
{
    private string phase = "";
    private long startTime;
    private long startStep;

    /// <summary>The time left after <paramref name="report"/>; <see langword="null"/> until two reports of the phase were seen.</summary>
    public TimeSpan? After(StepReport report)
    {
        // Neither counts: the first step of a phase, slow because memory is laid out, and steps before a resume, which took no time here.
        if (report.Phase != phase || report.TotalStep < startStep)
        {
            (phase, startTime, startStep) = (report.Phase, clock.GetTimestamp(), report.TotalStep);
        }

        var steps = report.TotalStep - startStep;
        return report.TotalStep == report.TotalSteps ? TimeSpan.Zero
            : steps == 0 ? null
            : clock.GetElapsedTime(startTime) / steps * (report.TotalSteps - report.TotalStep);
    }
}
