using System.Buffers;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

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

/// <summary>An image file as it came in a request.</summary>
/// <param name="Name">Its name on the sender's side; null for a body that is the image itself.</param>
/// <param name="Content">The file.</param>
internal sealed record Upload(string? Name, ReadOnlyMemory<byte> Content);

/// <summary>Reads the images of a request into memory, never to disk: the body is one image, or a form with files.</summary>
internal sealed class UploadReader(ServeSettings settings)
{
    private const string Expected = "send one image as the body (Content-Type: image/png, image/jpeg, ...), or several as files of multipart/form-data.";

    private readonly FormOptions form = new() { MemoryBufferThreshold = settings.BodyLimit, MultipartBodyLengthLimit = settings.BodyLimit };

    /// <summary>Reads a request's body.</summary>
    /// <exception cref="RequestRefusal">It is too large, cut short, or holds no image files.</exception>
    public async Task<IReadOnlyList<Upload>> Read(HttpRequest request, CancellationToken cancellation)
    {
        var type = request.ContentType ?? "";
        try
        {
            return request.HasFormContentType && type.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase)
                ? await ReadForm(request, cancellation)
                : type.StartsWith("image/", StringComparison.OrdinalIgnoreCase)
                    || type.StartsWith("application/octet-stream", StringComparison.OrdinalIgnoreCase)
                ? [new Upload(null, await ReadAll(request.Body, (int)(request.ContentLength ?? 0), cancellation))]
                : throw new RequestRefusal(StatusCodes.Status415UnsupportedMediaType, $"This type of body is not taken; {Expected}");
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new RequestRefusal(exception.StatusCode, $"The body is larger than {settings.BodyLimit:N0} bytes, which is all that this server takes.");
        }
        catch (Exception exception) when (exception is BadHttpRequestException or InvalidDataException or IOException)
        {
            throw new RequestRefusal(StatusCodes.Status400BadRequest, $"The body is cut short or damaged; {Expected}");
        }
    }

    private async Task<IReadOnlyList<Upload>> ReadForm(HttpRequest request, CancellationToken cancellation)
    {
        var files = (await request.ReadFormAsync(form, cancellation)).Files;
        if (files.Count == 0)
        {
            throw new RequestRefusal(StatusCodes.Status400BadRequest, $"The form has no files; {Expected}");
        }

        if (files.Count > settings.ImageLimit)
        {
            throw new RequestRefusal(
                StatusCodes.Status413PayloadTooLarge, $"The form has {files.Count} files; this server takes {settings.ImageLimit} at a time.");
        }

        var uploads = new List<Upload>(files.Count);
        foreach (var file in files)
        {
            using var stream = file.OpenReadStream();
            uploads.Add(new Upload(file.FileName, await ReadAll(stream, (int)file.Length, cancellation)));
        }

        return uploads;
    }

    // The length is what the sender says, so it is a hint and no more than the limit.
    private async Task<ReadOnlyMemory<byte>> ReadAll(Stream stream, int length, CancellationToken cancellation)
    {
        using var content = new MemoryStream(Math.Clamp(length, 0, settings.BodyLimit));
        await stream.CopyToAsync(content, cancellation);
        return content.GetBuffer().AsMemory(0, (int)content.Length);
    }
}

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
        if (ImageDecoder.Header(file) is var (width, height, _) && (long)width * height > pixelLimit)
        {
            return ([], $"has {width} x {height} pixels; this server takes {pixelLimit:N0}");
        }

        var pixels = new byte[size * size * PixelBlock.Channels];
        using var decoder = new ImageDecoder();
        return (pixels, decoder.Decode(file, pixels, size));
    }
}

/// <summary>A request that cannot be answered as it is, and what its sender can do about that.</summary>
internal sealed class RequestRefusal : Exception
{
    /// <summary>Refuses a request.</summary>
    /// <param name="code">Status code of the answer.</param>
    /// <param name="sentence">What is wrong, for the sender.</param>
    public RequestRefusal(int code, string sentence)
        : base(sentence) => Code = code;

    /// <summary>Status code of the answer.</summary>
    public int Code { get; }
}
