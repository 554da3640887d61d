using System.Buffers;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Pascl.Training.Deployment.Serving;

/// <summary><c>POST /score</c>: images in, what the model says of them out.</summary>
internal sealed class ScoreEndpoint(ScoringModel model, ServeSettings settings, BatchQueue queue, ServerMetrics metrics) : IDisposable
{
    private readonly UploadReader reader = new(settings);
    private readonly UploadDecoder decoder = new(model.ImageSize, settings.PixelLimit);

    /// <summary>Answers a request with <c>{"score_name", "threshold", "images": [...]}</c>, or with the problem that it has.</summary>
    public async Task Answer(HttpContext context)
    {
        try
        {
            var uploads = await reader.Read(context.Request, context.RequestAborted);
            var images = await Task.WhenAll(uploads.Select(upload => Score(upload, context.RequestAborted)));

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
            await Results.Problem(refusal.Message, statusCode: refusal.Code).ExecuteAsync(context);
        }
    }

    /// <summary>Counts every request, whatever it ends with.</summary>
    public async Task Count(HttpContext context, RequestDelegate next)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            await next(context);
        }
        finally
        {
            metrics.Answered(context.Response.StatusCode, Stopwatch.GetElapsedTime(start));
        }
    }

    /// <summary>Frees the decoder.</summary>
    public void Dispose() => decoder.Dispose();

    private async Task<ScoredImage> Score(Upload upload, CancellationToken cancellation)
    {
        var (pixels, fault) = await decoder.Decode(upload.Content, cancellation);
        if (fault is null)
        {
            return new ScoredImage(upload.Name, await queue.Score(pixels, cancellation), null);
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
