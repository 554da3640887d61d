using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Pascl.Training.Deployment.Serving;

/// <summary>Where a server listens and what it takes.</summary>
internal sealed record ServeSettings
{
    /// <summary>Addresses, <c>http://HOST:PORT</c>.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = ["http://127.0.0.1:8080"];

    /// <summary>Names by which senders may call the server (the Host header, without its port); null for any.</summary>
    public IReadOnlyList<string>? Hosts { get; init; }

    /// <summary>Keys of which a request must bring one; none where everybody may ask.</summary>
    public ApiKeys Keys { get; init; } = ApiKeys.None;

    /// <summary>Images that the network takes at once, of all requests together.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>How long an image waits for others to share its batch.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>Batches that are scored at one time.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Bytes of a request's body, at most.</summary>
    public int BodyLimit { get; init; } = 10 << 20;

    /// <summary>Bytes of all bodies that are here at one time, at most. The body of one request always fits.</summary>
    public long BodiesLimit
    {
        get => Math.Max(field, Budget.LimitFor(BodyLimit + ((long)ImageLimit * Upload.Overhead)));
        init;
    }

    = 128 << 20;

    /// <summary>Pixels of one image, at most; known from its header before anything is decoded.</summary>
    public long PixelLimit { get; init; } = 25_000_000;

    /// <summary>Pixels of all images of a request, at most.</summary>
    public long RequestPixelLimit { get; init; } = 100_000_000;

    /// <summary>Pixels of large images that are decoded at one time, at most; one image alone always is. Each takes 4 bytes of memory.</summary>
    public long DecodingPixelLimit { get; init; } = 50_000_000;

    /// <summary>
    /// Pixels of the large images of all requests that are here, at most; those of one request always fit. Senders share the machine, so that all would come too late
    /// if all were let in.
    /// </summary>
    public long QueuedPixelLimit
    {
        get => Math.Max(field, RequestPixelLimit);
        init;
    }

    = 200_000_000;

    /// <summary>Images in one request, at most.</summary>
    public int ImageLimit { get; init; } = 64;

    /// <summary>Requests for scores whose images are worked on or wait at one time; more are turned away.</summary>
    public int RequestLimit { get; init; } = 64;

    /// <summary>How long a request may take, its upload included.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the server goes on after it is told to stop, so that who sends it requests learns of it from <c>/readyz</c>.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.Zero;

    /// <summary>Where a line for each request is written; null for nowhere.</summary>
    public TextWriter? AccessLog { get; init; }
}

/// <summary>Who may ask a server what: it must be called by one of its names, and what its keys protect is for those who bring one.</summary>
/// <param name="settings">Names and keys.</param>
/// <param name="paths">What the keys protect.</param>
internal sealed class CallerGuard(ServeSettings settings, IReadOnlyList<string> paths)
{
    /// <summary>Goes before everything that answers.</summary>
    public Task Admit(HttpContext context, RequestDelegate next)
    {
        context.Response.Headers.XContentTypeOptions = "nosniff";
        if (!HostNames.Admit(context.Request, settings.Hosts))
        {
            return Problems.Answer(context, new RequestRefusal(
                StatusCodes.Status421MisdirectedRequest, "The server is not called by the name in the Host header; --hosts says which names it has."));
        }

        if (paths.Contains(context.Request.Path.Value, StringComparer.OrdinalIgnoreCase) && !settings.Keys.Admit(context.Request))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Problems.Answer(context, new RequestRefusal(
                StatusCodes.Status401Unauthorized, "An API key of this server is needed: send the header 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."));
        }

        return next(context);
    }
}

/// <summary>Keys of which a request must bring one, as <c>Authorization: Bearer KEY</c> or <c>X-API-Key: KEY</c>.</summary>
internal sealed class ApiKeys
{
    private const int ShortestKey = 16;

    // Hashes are of one length, so that a comparison tells nothing of a key's.
    private readonly byte[][] hashes;

    private ApiKeys(IEnumerable<string> keys) => hashes = [.. keys.Select(Hash)];

    /// <summary>No key is needed.</summary>
    public static ApiKeys None { get; } = new([]);

    /// <summary>Reads keys, one a line; several while one is replaced by another.</summary>
    /// <exception cref="InputException">The file cannot be read, has none, or a short one.</exception>
    public static ApiKeys Read(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The file of API keys cannot be read: {exception.Message}", exception);
        }

        string[] keys = [.. lines.Select(line => line.Trim()).Where(line => line.Length > 0)];
        return keys.Length == 0 ? throw new InputException($"{path} has no API key; expected one on each line.")
            : keys.Any(key => key.Length < ShortestKey || key.Any(letter => letter is <= ' ' or > '~'))
            ? throw new InputException(
                $"{path} has an API key that is shorter than {ShortestKey} characters or has others than visible ASCII; one is made by: openssl rand -hex 32")
            : new ApiKeys(keys);
    }

    /// <summary>Whether a request may ask.</summary>
    public bool Admit(HttpRequest request)
    {
        if (hashes.Length == 0)
        {
            return true;
        }

        const string scheme = "Bearer ";
        var authorization = request.Headers.Authorization.ToString();
        var given = Hash(authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) ? authorization[scheme.Length..].Trim() : request.Headers["X-API-Key"].ToString());

        // All are compared, whichever fits.
        return hashes.Aggregate(false, (found, hash) => CryptographicOperations.FixedTimeEquals(hash, given) | found);
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

/// <summary>
/// The names by which a server may be called. A page of another site can give its own name the address of this machine (DNS rebinding); a browser then lets it read
/// the answers, but still says the site's name in the Host header.
/// </summary>
internal static class HostNames
{
    private static readonly string[] loopback = ["localhost", "127.0.0.1", "[::1]"];

    /// <summary>The names where none were chosen: those of this machine if only this machine can call; any otherwise (null).</summary>
    public static IReadOnlyList<string>? Usual(IEnumerable<string> addresses)
    {
        Uri[] uris = [.. addresses.Select(address => new Uri(address))];
        return uris.All(uri => uri.IsLoopback) ? [.. loopback.Concat(uris.Select(uri => uri.Host)).Distinct()] : null;
    }

    /// <summary>Reads <c>--hosts</c>: names without ports with ; between, or <c>*</c>.</summary>
    /// <exception cref="InputException">A name has a scheme, a port or a path.</exception>
    public static IReadOnlyList<string>? Parse(string text)
    {
        string[] names = [.. text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
        return names.Length == 0 || names.FirstOrDefault(name => name != "*" && Uri.CheckHostName(name) == UriHostNameType.Unknown) is { } ? throw new InputException(
                $"--hosts takes names without scheme and port with ; between, as in 'scores.example.org;10.0.0.5', or '*' for any; not '{text}'.")
            : names.Contains("*") ? null : names;
    }

    /// <summary>Whether a request calls the server by one of the names. One of HTTP/1.0 may call it by none; no browser does.</summary>
    public static bool Admit(HttpRequest request, IReadOnlyList<string>? names) =>
        names is null || !request.Host.HasValue || names.Contains(request.Host.Host, StringComparer.OrdinalIgnoreCase);
}
