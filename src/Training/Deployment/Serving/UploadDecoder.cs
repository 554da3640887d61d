using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Deployment.Serving;

/// <summary>Decodes uploaded images, as many at once as there are cores: a large one takes 4 bytes of memory for each pixel while it is decoded.</summary>
internal sealed class UploadDecoder(int size, long pixelLimit) : IDisposable
{
    private readonly SemaphoreSlim turns = new(Environment.ProcessorCount);

    /// <summary>Decodes a file when its turn comes.</summary>
    /// <returns>(size, size, 3) bytes; or what is wrong with the file, as the rest of a sentence that begins with its name.</returns>
    public async Task<(byte[] Pixels, string? Fault)> Decode(ReadOnlyMemory<byte> file, CancellationToken cancellation)
    {
        await turns.WaitAsync(cancellation);
        try
        {
            return DecodeNow(file.Span);
        }
        finally
        {
            turns.Release();
        }
    }

    /// <summary>Frees what makes requests wait.</summary>
    public void Dispose() => turns.Dispose();

    private (byte[] Pixels, string? Fault) DecodeNow(ReadOnlySpan<byte> file)
    {
        if (ImageDecoder.Size(file) is var (width, height) && (long)width * height > pixelLimit)
        {
            return ([], $"has {width} x {height} pixels; this server takes {pixelLimit:N0}");
        }

        var pixels = new byte[size * size * PixelBlock.Channels];
        using var decoder = new ImageDecoder();
        return (pixels, decoder.Decode(file, pixels, size));
    }
}
