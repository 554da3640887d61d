using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Pascl.Training.Deployment.Serving;

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
