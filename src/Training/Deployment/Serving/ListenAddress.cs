using System.Net;
using System.Net.Sockets;

namespace Pascl.Training.Deployment.Serving;

/// <summary>Addresses to listen on as users write them, and what keeps a server from listening there.</summary>
internal static class ListenAddress
{
    private const string Expected = "expected http://HOST:PORT, as in http://127.0.0.1:8080, or http://0.0.0.0:8080 for every address of this machine";

    /// <summary>Reads addresses with ; between.</summary>
    /// <returns>The addresses as the server takes them: with numbers in the place of names, because it would take a name for every address of the machine.</returns>
    /// <exception cref="InputException">One cannot be listened on, whatever the machine; or its name has no address.</exception>
    public static IReadOnlyList<string> Parse(string text)
    {
        string[] addresses = [.. text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
        return addresses.Length == 0 ? throw new InputException($"--urls names no address; {Expected}.") : [.. addresses.Select(Check)];
    }

    /// <summary>Says in a sentence why a server could not listen; null for an exception of another kind.</summary>
    public static string? Explain(Exception exception, IEnumerable<string> addresses)
    {
        var socket = exception as SocketException ?? exception.InnerException as SocketException ?? exception.InnerException?.InnerException as SocketException;
        var place = string.Join(" or ", addresses);
        return socket?.SocketErrorCode switch
        {
            null => null,
            SocketError.AddressAlreadyInUse => $"Cannot listen on {place}: address already in use. Stop the other program, or choose another port with --urls.",
            SocketError.AddressNotAvailable =>
                $"Cannot listen on {place}: this machine has no such address. In a container take http://0.0.0.0:PORT with --urls, which is every address of it.",
            SocketError.AccessDenied =>
                $"Cannot listen on {place}: permission denied. Ports below 1024 are for the administrator; choose another port with --urls.",
            SocketError.AddressFamilyNotSupported => $"Cannot listen on {place}: this machine has no network of that kind (IPv6?).",
            _ => $"Cannot listen on {place}: {socket.Message}.",
        };
    }

    private static string Check(string address)
    {
        if (address.StartsWith("https:", StringComparison.OrdinalIgnoreCase))
        {
            throw new InputException(
                $"'{address}' is not an address to listen on; {Expected}. The server has no certificate; a proxy in front of it can speak TLS.");
        }

        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttp || uri.PathAndQuery != "/" || uri.Fragment.Length + uri.UserInfo.Length > 0)
        {
            throw new InputException($"'{address}' is not an address to listen on; {Expected}. Ports go from 0, which takes a free one, to 65535.");
        }

        return uri.HostNameType == UriHostNameType.Dns ? $"http://{Resolve(uri)}:{uri.Port}" : address;
    }

    private static string Resolve(Uri uri)
    {
        if (uri.IsLoopback)
        {
            return uri.Port == 0 ? IPAddress.Loopback.ToString() : uri.Host;
        }

        try
        {
            var addresses = Dns.GetHostAddresses(uri.Host);
            var address = addresses.FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork) ?? addresses[0];
            return address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
        }
        catch (Exception exception) when (exception is SocketException or IndexOutOfRangeException or ArgumentException)
        {
            throw new InputException($"Cannot listen on {uri.OriginalString}: the name {uri.Host} has no address here; {Expected}.", exception);
        }
    }
}
