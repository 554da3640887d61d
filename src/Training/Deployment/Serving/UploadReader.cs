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

/// <summary>
/// An image file as it came in a request, in pooled segments that are all of one length: pools of arrays of every length keep several times what was ever in use.
/// Who first claims it frees it: the thread that decodes it, or the request that is given up before.
/// </summary>
/// <param name="name">Its name on the sender's side; null for a body that is the image itself.</param>
/// <param name="memory">Where the memory is counted.</param>
internal sealed class Upload(string? name, BodyMemory memory)
{
    /// <summary>What the memory of a file is longer than the file, at most.</summary>
    public const int Overhead = FirstSegment + Segment;

    // Many senders that have said little hold little. Arrays of 85,000 bytes and more would be collected with the oldest generation only.
    private const int FirstSegment = 4 << 10;
    private const int Segment = 64 << 10;

    private readonly List<byte[]> segments = [];
    private int capacity;
    private int claimed;

    /// <summary>The file's name on the sender's side; null for a body that is the image itself.</summary>
    public string? Name => name;

    /// <summary>Bytes of the file.</summary>
    public int Length { get; private set; }

    /// <summary>Reads a stream to its end.</summary>
    /// <exception cref="RequestRefusal">There is no memory for it at the moment.</exception>
    public async Task Fill(Stream stream, CancellationToken cancellation)
    {
        while (true)
        {
            if (Length == capacity)
            {
                Grow();
            }

            var last = segments[^1];
            var read = await stream.ReadAsync(last.AsMemory(last.Length - (capacity - Length)), cancellation);
            if (read == 0)
            {
                return;
            }

            Length += read;
        }
    }

    /// <summary>Lends the whole file in one piece. Not for several threads at one time.</summary>
    public TResult Read<TResult>(Func<ReadOnlyMemory<byte>, TResult> use)
    {
        if (segments.Count <= 1)
        {
            return use(segments.Count == 0 ? ReadOnlyMemory<byte>.Empty : segments[0].AsMemory(0, Length));
        }

        var whole = ArrayPool<byte>.Shared.Rent(Length);
        try
        {
            var copied = 0;
            foreach (var segment in segments)
            {
                var part = Math.Min(segment.Length, Length - copied);
                segment.AsSpan(0, part).CopyTo(whole.AsSpan(copied));
                copied += part;
            }

            return use(whole.AsMemory(0, Length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(whole);
        }
    }

    /// <summary>Takes the file over, to free it later; false where another did.</summary>
    public bool Claim() => Interlocked.Exchange(ref claimed, 1) == 0;

    /// <summary>Frees the memory; only for who claimed it.</summary>
    public void Free()
    {
        segments.ForEach(segment => ArrayPool<byte>.Shared.Return(segment));
        segments.Clear();
        memory.Free(capacity);
        (capacity, Length) = (0, 0);
    }

    private void Grow()
    {
        var more = segments.Count == 0 ? FirstSegment : Segment;
        memory.Take(more);

        // The pool's arrays have just these lengths, which are powers of two.
        segments.Add(ArrayPool<byte>.Shared.Rent(more));
        capacity += more;
    }
}

/// <summary>
/// The memory of one request's body. A body that is not small is let in as a whole once its beginning is here: if all grew together, all would meet the limit half-way,
/// and none would be answered. Before that it holds what has come, so that senders who take their time keep nobody out.
/// </summary>
/// <param name="budget">Where it is counted.</param>
/// <param name="declared">Bytes of the body as its sender says; null where it does not.</param>
internal sealed class BodyMemory(Budget budget, long? declared)
{
    private long taken;
    private long held;

    /// <summary>Takes memory for what has come.</summary>
    /// <exception cref="RequestRefusal">There is none at the moment.</exception>
    public void Take(int bytes)
    {
        held += bytes;
        var isLarge = held > Upload.Overhead;
        var more = Math.Max(held, isLarge ? declared ?? 0 : 0) - taken;
        if (more <= 0)
        {
            return;
        }

        if (!budget.TryTake(more, isLarge))
        {
            held -= bytes;
            throw RequestRefusal.Busy("The images of other requests fill this server's memory at the moment");
        }

        taken += more;
    }

    /// <summary>Gives back what was taken for more than came; nothing will come any more.</summary>
    public void Settle()
    {
        budget.GiveBack(taken - held);
        taken = held;
    }

    public void Free(int bytes) => budget.GiveBack(bytes);
}

/// <summary>Bytes, or pixels, that many may hold together up to a limit. The last eighth is for those who hold little, whom the others would keep out.</summary>
internal sealed class Budget(long limit)
{
    private const int Kept = 8;
    private long used;

    /// <summary>The least limit that lets one hold so many bytes.</summary>
    public static long LimitFor(long bytes) => (bytes * Kept / (Kept - 1)) + Kept;

    public long Used => Volatile.Read(ref used);

    /// <summary>Takes bytes; false where the limit would be passed.</summary>
    /// <param name="bytes">How many.</param>
    /// <param name="isLarge">Whether who takes them holds many already.</param>
    public bool TryTake(long bytes, bool isLarge)
    {
        if (Interlocked.Add(ref used, bytes) <= (isLarge ? limit - (limit / Kept) : limit))
        {
            return true;
        }

        GiveBack(bytes);
        return false;
    }

    public void GiveBack(long bytes) => Interlocked.Add(ref used, -bytes);
}
