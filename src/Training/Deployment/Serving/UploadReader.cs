using System.Buffers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Pascl.Training.Deployment.Serving;

/// <summary>
/// Reads the images of a request into memory, never to disk, part by part as they arrive: the body is one image, or a form with files.
/// </summary>
internal sealed class UploadReader(ServeSettings settings, Budget budget)
{
    private const string Expected = "send one image as the body (Content-Type: image/png, image/jpeg, ...), or several as files of multipart/form-data.";
    private const int LongestWord = 100;

    // RFC 9110's tokens, with what media types and lists have beside them.
    private static readonly SearchValues<char> speakable = SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/;=, ");

    /// <summary>Reads a request's body.</summary>
    /// <param name="request">The request.</param>
    /// <param name="uploads">Gets the images; what is in it must be freed whatever happens.</param>
    /// <param name="cancellation">Given up by the sender, or too late.</param>
    /// <exception cref="RequestRefusal">It is too large, cut short, compressed, or holds no image files; or there is no memory for it.</exception>
    public async Task Read(HttpRequest request, List<Upload> uploads, CancellationToken cancellation)
    {
        RefuseEncodings(request);
        var type = MediaTypeHeaderValue.TryParse(request.ContentType, out var parsed) ? parsed : null;
        var memory = new BodyMemory(budget, request.ContentLength);
        try
        {
            if (type?.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase) == true)
            {
                await ReadForm(request, HeaderUtilities.RemoveQuotes(type.Boundary).Value ?? "", uploads, memory, cancellation);
            }
            else if (type?.Type.Equals("image", StringComparison.OrdinalIgnoreCase) == true
                || type?.MediaType.Equals("application/octet-stream", StringComparison.OrdinalIgnoreCase) == true)
            {
                await Add(null, request.Body, uploads, memory, cancellation);
            }
            else
            {
                throw new RequestRefusal(
                    StatusCodes.Status415UnsupportedMediaType,
                    $"{(string.IsNullOrEmpty(request.ContentType) ? "A body without a Content-Type" : $"A body of Content-Type {Speakable(request.ContentType)}")} is not taken; {Expected}");
            }
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new RequestRefusal(exception.StatusCode, $"The body is larger than {settings.BodyLimit:N0} bytes, which is all that this server takes.");
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status408RequestTimeout)
        {
            throw new RequestRefusal(exception.StatusCode, $"The body came in more slowly than {ScoringServer.LeastBytesPerSecond:N0} bytes a second.");
        }
        catch (Exception exception) when (exception is BadHttpRequestException or InvalidDataException or IOException)
        {
            throw new RequestRefusal(StatusCodes.Status400BadRequest, $"The body is cut short or damaged; {Expected}");
        }
        finally
        {
            memory.Settle();
        }
    }

    private static void RefuseEncodings(HttpRequest request)
    {
        if (request.Headers.ContentEncoding.ToString() is { Length: > 0 } encoding && !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            request.HttpContext.Response.Headers.AcceptEncoding = "identity";
            throw new RequestRefusal(
                StatusCodes.Status415UnsupportedMediaType,
                $"A body with Content-Encoding {Speakable(encoding)} is not taken; send the image file as it is, without compressing it and without that header.");
        }
    }

    // What a sender wrote goes back to it, but no more than that.
    private static string Speakable(string text) =>
        text.Length <= LongestWord && !text.AsSpan().ContainsAnyExcept(speakable) ? text : "of an unreadable name";

    private async Task ReadForm(HttpRequest request, string boundary, List<Upload> uploads, BodyMemory memory, CancellationToken cancellation)
    {
        if (boundary.Length == 0)
        {
            throw new RequestRefusal(StatusCodes.Status400BadRequest, $"The Content-Type multipart/form-data names no boundary; {Expected}");
        }

        var parts = new MultipartReader(boundary, request.Body);
        while (await parts.ReadNextSectionAsync(cancellation) is { } part)
        {
            if (!ContentDispositionHeaderValue.TryParse(part.ContentDisposition, out var disposition) || !disposition.IsFileDisposition())
            {
                continue;
            }

            if (uploads.Count == settings.ImageLimit)
            {
                throw new RequestRefusal(
                    StatusCodes.Status413PayloadTooLarge, $"The form has more than {settings.ImageLimit} files, which is all that this server takes at a time.");
            }

            await Add(new FileMultipartSection(part, disposition).FileName, part.Body, uploads, memory, cancellation);
        }

        if (uploads.Count == 0)
        {
            throw new RequestRefusal(StatusCodes.Status400BadRequest, $"The form has no files; {Expected}");
        }
    }

    private static async Task Add(string? name, Stream stream, List<Upload> uploads, BodyMemory memory, CancellationToken cancellation)
    {
        var upload = new Upload(name, memory);
        uploads.Add(upload);
        await upload.Fill(stream, cancellation);
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

    /// <summary>A request that may be sent again in a moment.</summary>
    /// <param name="reason">Why, without the end of its sentence.</param>
    public static RequestRefusal Busy(string reason) => new(StatusCodes.Status503ServiceUnavailable, $"{reason}; send the request again in a moment.");
}
