using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Pascl.Training.Deployment.Serving;

/// <summary><c>POST /score</c>: images in, what the model says of them out.</summary>
internal sealed class ScoreEndpoint : IDisposable
{
    private const int DiscardBuffer = 16 << 10;
    private static readonly TimeSpan longestDiscard = TimeSpan.FromSeconds(15);

    private readonly ScoringModel model;
    private readonly BatchQueue queue;
    private readonly ServerMetrics metrics;
    private readonly Budget bodies;
    private readonly Budget queuedPixels;
    private readonly UploadReader reader;
    private readonly UploadDecoder decoder;
    private readonly SemaphoreSlim places;

    public ScoreEndpoint(ScoringModel model, ServeSettings settings, BatchQueue queue, ServerMetrics metrics)
    {
        (this.model, this.queue, this.metrics) = (model, queue, metrics);
        bodies = new Budget(settings.BodiesLimit);
        queuedPixels = new Budget(settings.QueuedPixelLimit);
        reader = new UploadReader(settings, bodies);
        decoder = new UploadDecoder(model.ImageSize, model.Geometry, settings);
        places = new SemaphoreSlim(settings.RequestLimit);
        metrics.Observe(() => new ServerLoad(settings.RequestLimit - places.CurrentCount, bodies.Used, queuedPixels.Used, decoder.Waiting, decoder.Pixels, queue.Waiting));
    }

    /// <summary>Answers a request with <c>{"score_name", "threshold", "images": [...]}</c>, or with the problem that it has.</summary>
    public async Task Answer(HttpContext context)
    {
        try
        {
            var images = await Score(context);

            // A body that is the image itself has no other part that could be answered.
            if (images is [{ Source: null, Error: { } error }])
            {
                throw new RequestRefusal(StatusCodes.Status422UnprocessableEntity, error);
            }

            context.Response.ContentType = "application/json";
            await context.Response.Body.WriteAsync(Json(images), context.RequestAborted);
        }
        catch (RequestRefusal refusal)
        {
            await Discard(context);
            await Problems.Answer(context, refusal);
        }
        catch (Exception exception) when (IsOutOfMemory(exception))
        {
            await Problems.Answer(context, RequestRefusal.Busy("The server has no memory for it at the moment"));
        }
    }

    public void Dispose()
    {
        decoder.Dispose();
        places.Dispose();
    }

    // libtorch has words of its own for it.
    private static bool IsOutOfMemory(Exception exception) =>
        exception is OutOfMemoryException || (exception is ExternalException && exception.Message.Contains("can't allocate memory", StringComparison.Ordinal));

    // A connection that is closed before all has come is reset, and the sender may never see the answer. Who asked before sending is answered at once.
    private static async Task Discard(HttpContext context)
    {
        if (context.Request.Headers.Expect.Count > 0)
        {
            return;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        limit.CancelAfter(longestDiscard);
        var buffer = ArrayPool<byte>.Shared.Rent(DiscardBuffer);
        try
        {
            while (await context.Request.Body.ReadAsync(buffer, limit.Token) > 0)
            {
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // It is too long, too slow or gone: then the answer comes as it may.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task<ScoredImage[]> Score(HttpContext context)
    {
        var uploads = new List<Upload>();
        try
        {
            await reader.Read(context.Request, uploads, context.RequestAborted);
            RequestNotes.Of(context).Note(uploads);

            // Only now: a place is for images that are here, or senders who take their time would hold them all.
            if (!places.Wait(0))
            {
                throw RequestRefusal.Busy("The server works on as many requests as it takes at one time");
            }

            try
            {
                return await Score(uploads, decoder.Sizes(uploads), context.RequestAborted);
            }
            finally
            {
                places.Release();
            }
        }
        finally
        {
            uploads.FindAll(upload => upload.Claim()).ForEach(upload => upload.Free());
        }
    }

    private async Task<ScoredImage[]> Score(List<Upload> uploads, (int Width, int Height)[] sizes, CancellationToken cancellation)
    {
        var pixels = decoder.LargePixels(sizes);
        if (!queuedPixels.TryTake(pixels, isLarge: false))
        {
            throw RequestRefusal.Busy("The large images of other requests are as many as this server takes at one time");
        }

        try
        {
            var turns = new RequestTurns();
            return await Task.WhenAll(uploads.Select((upload, i) => Score(upload, sizes[i], turns, cancellation)));
        }
        finally
        {
            queuedPixels.GiveBack(pixels);
        }
    }

    private async Task<ScoredImage> Score(Upload upload, (int Width, int Height) size, RequestTurns turns, CancellationToken cancellation)
    {
        var (pixels, fault) = await decoder.Decode(upload, size, turns, cancellation);
        if (fault is null)
        {
            return new ScoredImage(upload.Name, await queue.Score(pixels, turns.Scores, cancellation), null);
        }

        metrics.Refused();
        return new ScoredImage(upload.Name, null, $"{upload.Name ?? "The image"} {fault}.");
    }

    private ReadOnlyMemory<byte> Json(ScoredImage[] images)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("score_name", model.ScoreName);
        json.WritePropertyName("threshold");
        if (model.Threshold is { } threshold)
        {
            json.WriteNumberValue(threshold);
        }
        else
        {
            json.WriteNullValue();
        }

        json.WriteStartArray("images");
        Array.ForEach(images, image => ScoredImageJson.Write(json, image));
        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }
}

/// <summary>Refusals as problem details (RFC 9457).</summary>
internal static class Problems
{
    /// <summary>Answers with a refusal; what may be sent again has <c>Retry-After</c>.</summary>
    public static Task Answer(HttpContext context, RequestRefusal refusal)
    {
        if (refusal.Code == StatusCodes.Status503ServiceUnavailable)
        {
            context.Response.Headers.RetryAfter = "1";
        }

        return Results.Problem(refusal.Message, statusCode: refusal.Code).ExecuteAsync(context);
    }
}
