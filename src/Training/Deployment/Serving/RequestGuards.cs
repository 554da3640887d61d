using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Pascl.Training.Deployment.Serving;

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
