namespace Pascl.Training;

/// <summary>
/// A problem that the user can mend. The message is one or two plain sentences: what is wrong, where, what was expected, what to do.
/// Programs print it without a stack trace and exit with code 2.
/// </summary>
public sealed class InputException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public InputException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with its sentence and the cause.</summary>
    public InputException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
