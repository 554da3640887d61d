using Pascl.Training.Checkpoints.PyTorch;

namespace Pascl.Training.Checkpoints;

/// <summary>Opens files of tensors of either format.</summary>
internal static class TensorFiles
{
    // What torch.save wrote before 1.6 begins with a pickle of a number of ten bytes.
    private static readonly byte[] oldTorch = [0x80, 2, 0x8a, 10];

    /// <summary>Opens a file of PyTorch or a safetensors file; the first bytes say which it is.</summary>
    /// <exception cref="InputException">It cannot be read, is damaged, or is of another format.</exception>
    public static ITensorFile Open(string path)
    {
        var start = Start(path);
        if (start.AsSpan().StartsWith(oldTorch))
        {
            throw new InputException(
                $"{path} was written by PyTorch before 1.6. Load it there and write it again with torch.save(torch.load(path, 'cpu'), path).");
        }

        return TorchFile.IsArchive(start) ? TorchFile.Open(path) : SafetensorsFile.Open(path);
    }

    // Empty where nothing can be read: opening the file then says why.
    private static byte[] Start(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var start = new byte[oldTorch.Length];
            return start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
