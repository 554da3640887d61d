using Microsoft.AspNetCore.Http;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Deployment.Serving;

/// <summary>
/// Decodes uploaded images on threads of its own, in fair turns between requests. Large images have a lane of threads that leaves one core to the small ones, and
/// together they have no more pixels than the budget.
/// </summary>
internal sealed class UploadDecoder : IDisposable
{
    /// <summary>Pixels of an image that is not large: decoding one takes some hundredths of a second.</summary>
    public const long SmallPixels = 1_000_000;

    private readonly ServeSettings settings;
    private readonly DecodeLane small;
    private readonly DecodeLane large;

    /// <summary>Begins to wait for images.</summary>
    /// <param name="size">Rows and columns of the results.</param>
    /// <param name="geometry">How images become squares.</param>
    /// <param name="settings">What is taken.</param>
    public UploadDecoder(int size, ImageGeometry geometry, ServeSettings settings)
    {
        this.settings = settings;
        small = new DecodeLane("small", size, geometry, Environment.ProcessorCount, long.MaxValue);
        large = new DecodeLane("large", size, geometry, Math.Max(1, Environment.ProcessorCount - 1), settings.DecodingPixelLimit);
    }

    /// <summary>Images that wait to be decoded.</summary>
    public int Waiting => small.Waiting + large.Waiting;

    /// <summary>Pixels of the images that are being decoded.</summary>
    public long Pixels => small.Pixels + large.Pixels;

    /// <summary>Reads the sizes of a request's images from their headers, decodes none, and refuses a request with too many pixels.</summary>
    /// <returns>Columns and rows of each; 0 for what is no image.</returns>
    /// <exception cref="RequestRefusal">Together they have too many pixels.</exception>
    public (int Width, int Height)[] Sizes(IReadOnlyList<Upload> uploads)
    {
        (int Width, int Height)[] sizes = [.. uploads.Select(upload => upload.Read(file => PictureCodec.Header(file.Span)) is var (width, height, _) ? (width, height) : (0, 0))];
        var pixels = sizes.Select(Count).Where(pixels => pixels <= settings.PixelLimit).Sum();
        return pixels <= settings.RequestPixelLimit
            ? sizes
            : throw new RequestRefusal(
                StatusCodes.Status413PayloadTooLarge,
                $"The images have {pixels:N0} pixels in all; this server takes {settings.RequestPixelLimit:N0} in one request. Send fewer or smaller images at a time.");
    }

    /// <summary>Pixels of the large images among those of some sizes that will be decoded.</summary>
    public long LargePixels((int Width, int Height)[] sizes) => sizes.Select(Count).Where(pixels => pixels > SmallPixels && pixels <= settings.PixelLimit).Sum();

    /// <summary>Decodes a file when its turn comes, and frees it.</summary>
    /// <param name="upload">The file.</param>
    /// <param name="size">Its columns and rows, by <see cref="Sizes"/>.</param>
    /// <param name="turns">The turns of its request.</param>
    /// <param name="cancellation">Takes it out of the queue.</param>
    /// <returns>(size, size, 3) bytes; or what is wrong with the file, as the rest of a sentence that begins with its name.</returns>
    public Task<DecodedUpload> Decode(Upload upload, (int Width, int Height) size, RequestTurns turns, CancellationToken cancellation)
    {
        var pixels = Count(size);
        return pixels > settings.PixelLimit
            ? Task.FromResult(new DecodedUpload([], $"has {size.Width} x {size.Height} pixels; this server takes {settings.PixelLimit:N0}"))
            : pixels > SmallPixels
            ? large.Decode(upload, pixels, turns.Large, cancellation)
            : small.Decode(upload, pixels, turns.Small, cancellation);
    }

    /// <summary>Decodes what is waiting and ends the threads.</summary>
    public void Dispose()
    {
        small.Dispose();
        large.Dispose();
    }

    private static long Count((int Width, int Height) size) => (long)size.Width * size.Height;
}

/// <summary>An image as the network takes it.</summary>
/// <param name="Pixels">(size, size, 3) bytes.</param>
/// <param name="Fault">What is wrong with the file, as the rest of a sentence that begins with its name; null where nothing is.</param>
internal readonly record struct DecodedUpload(byte[] Pixels, string? Fault);

/// <summary>A request's turns in the queues that it goes through.</summary>
internal sealed class RequestTurns
{
    /// <summary>Among the small images to decode.</summary>
    public SenderTurns Small { get; } = new();

    /// <summary>Among the large images to decode.</summary>
    public SenderTurns Large { get; } = new();

    /// <summary>Among the images to score.</summary>
    public SenderTurns Scores { get; } = new();
}

/// <summary>Threads that decode images of one kind.</summary>
internal sealed class DecodeLane : IDisposable
{
    // What a file costs beside its pixels, in pixels: a form of a thousand empty files is not free.
    private const int CostOfAFile = 1000;

    private readonly FairQueue<PendingDecode> pending = new();
    private readonly object gate = new();
    private readonly int size;
    private readonly ImageGeometry geometry;
    private readonly long pixelLimit;
    private readonly Thread[] threads;
    private long pixels;

    /// <summary>Begins to wait for images.</summary>
    /// <param name="name">Of the threads.</param>
    /// <param name="size">Rows and columns of the results.</param>
    /// <param name="geometry">How images become squares.</param>
    /// <param name="threadCount">Images decoded at one time.</param>
    /// <param name="pixelLimit">Pixels that are decoded at one time; one image alone always is.</param>
    public DecodeLane(string name, int size, ImageGeometry geometry, int threadCount, long pixelLimit)
    {
        (this.size, this.geometry, this.pixelLimit) = (size, geometry, pixelLimit);
        threads = [.. Enumerable.Range(0, threadCount).Select(i => new Thread(Run) { IsBackground = true, Name = $"decodes {name} {i}" })];
        Array.ForEach(threads, thread => thread.Start());
    }

    public int Waiting => pending.Count;

    public long Pixels => Volatile.Read(ref pixels);

    /// <summary>Decodes a file when its turn comes, and frees it.</summary>
    public Task<DecodedUpload> Decode(Upload upload, long count, SenderTurns turns, CancellationToken cancellation)
    {
        var decode = new PendingDecode(upload, count, cancellation);
        pending.Add(decode, turns, count + CostOfAFile);
        return decode.Answer.WaitAsync(cancellation);
    }

    /// <summary>Decodes what is waiting and ends the threads.</summary>
    public void Dispose()
    {
        pending.Complete();
        Array.ForEach(threads, thread => thread.Join());
    }

    private void Run()
    {
        while (pending.TryTake(out var next, Timeout.InfiniteTimeSpan))
        {
            // Nobody waits for it any more, and its memory may be gone.
            if (next.Cancellation.IsCancellationRequested || !next.Upload.Claim())
            {
                continue;
            }

            Wait(next.PixelCount);
            try
            {
                next.Finish(next.Upload.Read(DecodeNow));
            }
            catch (Exception exception)
            {
                next.Fail(exception);
            }
            finally
            {
                next.Upload.Free();
                Leave(next.PixelCount);
            }
        }
    }

    private DecodedUpload DecodeNow(ReadOnlyMemory<byte> file)
    {
        var decoded = new byte[size * size * PixelBlock.Channels];

        // A decoder keeps its buffer, which is as large as the largest image that it saw; so each image has its own.
        using var decoder = new ImageDecoder();
        return new DecodedUpload(decoded, decoder.Decode(file.Span, decoded, size, geometry));
    }

    // Threads come here in the order of the turns, and one waits for at most as many images as there are threads.
    private void Wait(long count)
    {
        lock (gate)
        {
            while (pixels > 0 && pixels + count > pixelLimit)
            {
                Monitor.Wait(gate);
            }

            pixels += count;
        }
    }

    private void Leave(long count)
    {
        lock (gate)
        {
            pixels -= count;
            Monitor.PulseAll(gate);
        }
    }
}

internal sealed record PendingDecode(Upload Upload, long PixelCount, CancellationToken Cancellation)
{
    // Continuations must not run on the thread that decodes.
    private readonly TaskCompletionSource<DecodedUpload> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<DecodedUpload> Answer => answer.Task;

    public void Finish(DecodedUpload image) => answer.TrySetResult(image);

    public void Fail(Exception exception) => answer.TrySetException(exception);
}
