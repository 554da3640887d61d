using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Training.Deployment.Serving;

namespace Pascl.Tests.Training.Deployment.Serving;

/// <summary>Requests to a server in this process, and images for them.</summary>
internal static class ServerRequests
{
    /// <summary>Where a server listens.</summary>
    public static Uri Address(ScoringServer server) => new(server.Addresses.Single());

    /// <summary>An image as a body.</summary>
    public static ByteArrayContent Body(byte[] image) => new(image) { Headers = { ContentType = new MediaTypeHeaderValue("image/png") } };

    /// <summary>Images as a form.</summary>
    public static MultipartFormDataContent Form(params IEnumerable<byte[]> images)
    {
        var form = new MultipartFormDataContent();
        foreach (var (i, image) in images.Index())
        {
            form.Add(Body(image), "image", $"{i}.png");
        }

        return form;
    }

    /// <summary>A square PNG of random colours.</summary>
    public static byte[] Noise(int size, int seed)
    {
        var bytes = new byte[size * size * 3];
        new Random(seed).NextBytes(bytes);
        return TestImages.Png(size, size, bytes);
    }

    /// <summary>Sends images.</summary>
    public static async Task<(HttpStatusCode Code, string? Type, string Text)> Score(this HttpClient client, ScoringServer server, HttpContent content)
    {
        using var answer = await client.PostAsync(new Uri(Address(server), "score"), content);
        return (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>A request whose body does not come.</summary>
    public static async Task<TcpClient> Unfinished(ScoringServer server, int announced = 100, string begun = "x")
    {
        var connection = new TcpClient();
        await connection.ConnectAsync(Address(server).Host, Address(server).Port);
        await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /score HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: {announced}\r\n\r\n{begun}"));
        return connection;
    }

    /// <summary>The first line and the headers of an answer.</summary>
    public static async Task<string> ReadHead(StreamReader reader)
    {
        var head = new StringBuilder();
        while (await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(10)) is { Length: > 0 } line)
        {
            head.Append(line).Append('\n');
        }

        return head.ToString();
    }
}
