namespace Pascl.Training;

/// <summary>Writes files that are either whole or not there.</summary>
internal static class DurableFile
{
    // errno values, which .NET hands on as the HResult of an IOException: no space left, quota exceeded, file too large.
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;
    private const int TooLarge = 27;

    /// <summary>
    /// Writes a new file beside <paramref name="path"/>, flushes it to the disk and renames it over the old one. Whatever goes wrong on the
    /// way, the old file stays as it was and the new one is removed.
    /// </summary>
    /// <exception cref="InputException">The file could not be written; the message ends with <paramref name="consequence"/>, asked for only
    /// then.</exception>
    public static void Replace(string path, Action<Stream> write, Func<string>? consequence = null)
    {
        var unfinished = path + ".unfinished";
        try
        {
            using (var stream = new FileStream(unfinished, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(unfinished, path, overwrite: true);
        }
        catch (Exception exception)
        {
            TryDelete(unfinished);
            if (exception is IOException or UnauthorizedAccessException)
            {
                var ending = consequence is null ? "" : "; " + consequence();
                throw new InputException($"{path} could not be written: {Reason(exception)}{ending}.", exception);
            }

            throw;
        }
    }

    /// <summary>Why a file could not be written, in plain words.</summary>
    public static string Reason(Exception exception) => exception switch
    {
        UnauthorizedAccessException => "the folder or the file is not writable for this user",
        DirectoryNotFoundException => "its folder does not exist",
        IOException { HResult: NoSpace } => "no space is left on the disk",
        IOException { HResult: QuotaExceeded } => "the disk quota is used up",
        IOException { HResult: TooLarge } => "the file is larger than this system allows",
        _ => exception.Message.TrimEnd('.'),
    };

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The error that led here is the one to report.
        }
    }
}
