namespace Pascl.Training.Cli;

/// <summary>What the program's exit code says.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>The program worked, and a check that it made did not pass.</summary>
    public const int CheckFailed = 1;

    /// <summary>Arguments, data or files that the user can mend.</summary>
    public const int BadInput = 2;

    /// <summary>A defect of the program itself.</summary>
    public const int Defect = 3;

    /// <summary>Stopped by Ctrl-C after saving; the shell's convention for SIGINT.</summary>
    public const int Interrupted = 130;
}
