using System.Runtime.InteropServices;
using Pascl.Kernels.Device;

namespace Pascl.Training.Cli;

/// <summary>Turns an exception that ended a command into plain sentences and an exit code.</summary>
internal static class Failure
{
    /// <summary>Set to 1 to see the stack trace of a defect.</summary>
    public const string DebugVariable = "PASCL_DEBUG";

    public static int Report(Exception exception, TextWriter error)
    {
        var cause = exception is AggregateException several ? several.Flatten().InnerExceptions[0] : exception;
        var (sentence, code) = cause switch
        {
            InputException or DeviceException or IOException or UnauthorizedAccessException => (cause.Message, ExitCode.BadInput),
            OutOfMemoryException => ("There is not enough memory. Use a smaller batch or width, or fewer images.", ExitCode.BadInput),
            ExternalException when IsOutOfMemory(cause.Message) =>
                ($"There is not enough memory for libtorch ({FirstLine(cause.Message)}). Use a smaller batch or width.", ExitCode.BadInput),
            _ => (
                $"The program failed: {cause.GetType().Name}: {FirstLine(cause.Message)} " +
                $"This is a defect; {DebugVariable}=1 shows where it happened.", ExitCode.Defect),
        };
        error.WriteLine(sentence);
        if (Environment.GetEnvironmentVariable(DebugVariable) == "1")
        {
            error.WriteLine(exception);
        }

        return code;
    }

    // libtorch's words for the host and for CUDA.
    private static bool IsOutOfMemory(string message) =>
        message.Contains("can't allocate memory", StringComparison.Ordinal) || message.Contains("out of memory", StringComparison.Ordinal);

    private static string FirstLine(string message) => message.Split('\n', 2)[0].Trim();
}
