using System.Net;
using System.Net.Sockets;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Pascl.Training.Deployment.Serving;

/// <summary>
/// A model behind HTTP: <c>POST /score</c>, what watches over a server, and a page at <c>/</c>. It reads no configuration but its settings. Errors are
/// problem details (RFC 9457) and name nothing of this machine.
/// </summary>
internal sealed class ScoringServer : IAsyncDisposable
{
    /// <summary>Where images are sent.</summary>
    public const string ScorePath = "/score";

    /// <summary>Who sends more slowly than that, after five seconds, is cut off.</summary>
    public const int LeastBytesPerSecond = 1024;

    private const string ModelPath = "/v1/model";
    private const string MetricsPath = "/metrics";
    private const string Limited = "score";
    private const string Defects = "Microsoft.AspNetCore.Diagnostics";

    // What Kestrel keeps of a body that nobody reads yet; its own 1 MiB would be more than all else that a waiting connection has.
    private const int ConnectionBuffer = 64 << 10;

    private readonly ServeSettings settings;
    private readonly ModelDescription description;
    private readonly ServerMetrics metrics;
    private readonly BatchQueue queue;
    private readonly ScoreEndpoint endpoint;
    private readonly WebApplication app;
    private volatile bool draining;

    private ScoringServer(ScoringModel model, ServeSettings settings)
    {
        this.settings = settings;
        description = model.Description;
        metrics = new ServerMetrics(description);
        queue = new BatchQueue(model, settings, metrics);
        endpoint = new ScoreEndpoint(model, settings, queue, metrics);
        app = Build(settings);
        Map();
    }

    /// <summary>Where the server listens, with the ports that it got.</summary>
    public IEnumerable<string> Addresses => app.Urls;

    /// <summary>Scores once on every thread and begins to listen.</summary>
    /// <param name="model">The model; the caller keeps it as long as the server.</param>
    /// <param name="settings">Where to listen and what to take.</param>
    /// <exception cref="InputException">An address cannot be listened on.</exception>
    public static async Task<ScoringServer> Start(ScoringModel model, ServeSettings settings)
    {
        var server = new ScoringServer(model, settings);
        try
        {
            server.queue.WaitUntilWarm();
            await server.app.StartAsync();
            return server;
        }
        catch (Exception exception)
        {
            await server.DisposeAsync();
            throw ListenAddress.Explain(exception, settings.Addresses) is { } sentence ? new InputException(sentence, exception) : exception;
        }
    }

    /// <summary>Says on <c>/readyz</c> that no more requests should be sent, and goes on answering those that are for the time of the settings.</summary>
    public Task Drain()
    {
        draining = true;
        return Task.Delay(settings.Drain);
    }

    /// <summary>Takes no new requests, answers those that are here, and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        draining = true;
        await app.StopAsync();
        await app.DisposeAsync();
        endpoint.Dispose();
        queue.Dispose();
    }

    private static WebApplication Build(ServeSettings settings)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = settings.BodyLimit;
            kestrel.Limits.MaxRequestBufferSize = ConnectionBuffer;
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(LeastBytesPerSecond, TimeSpan.FromSeconds(5));
        });
        builder.WebHost.UseUrls([.. settings.Addresses]);

        // Defects only. The framework also logs what a sender did wrong, and an address in use, which the command says in a sentence.
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace)
            .SetMinimumLevel(LogLevel.None).AddFilter(Defects, LogLevel.Error);
        builder.Services.AddRoutingCore().AddProblemDetails().AddSingleton<IHostLifetime, SilentLifetime>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = settings.Timeout);
        builder.Services.AddRequestTimeouts(timeouts => timeouts.AddPolicy(Limited, new RequestTimeoutPolicy
        {
            Timeout = settings.Timeout,
            WriteTimeoutResponse = context => Problems.Answer(
                context, RequestRefusal.Busy($"The request took longer than {settings.Timeout.TotalSeconds:0.###} seconds, its upload included")),
        }));
        return builder.Build();
    }

    private void Map()
    {
        var log = new RequestLog(metrics, settings.AccessLog);
        app.Use(log.Note);
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.Use(new CallerGuard(settings, [ScorePath, ModelPath, MetricsPath]).Admit);
        app.UseRouting();
        app.UseRequestTimeouts();
        app.MapPost(ScorePath, endpoint.Answer).WithRequestTimeout(Limited);
        app.MapRead("/healthz", () => Say(queue.IsAlive));
        app.MapRead("/readyz", () => Say(queue.IsAlive && !draining));
        app.MapRead(MetricsPath, WriteMetrics);
        app.MapRead(ModelPath, () => Results.Json(new ServedModel(description, settings), ModelDescription.JsonOptions));
        ServerPage.Map(app);
    }

    private static IResult Say(bool good) =>
        good ? Results.Text("ok\n") : Results.StatusCode(StatusCodes.Status503ServiceUnavailable);

    private Task WriteMetrics(HttpContext context)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return metrics.WriteTo(context.Response.Body, context.RequestAborted);
    }
}

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

/// <summary>The answer of <c>/v1/model</c>: the model, and what one request may have.</summary>
internal sealed record ServedModel : ModelDescription
{
    public ServedModel(ModelDescription model, ServeSettings settings)
        : base(model) => Limits = new(settings.BodyLimit, settings.ImageLimit, settings.PixelLimit, settings.RequestPixelLimit);

    [JsonPropertyOrder(1)]
    public RequestLimits Limits { get; }
}

/// <summary>What one request may have.</summary>
/// <param name="MaxBodyBytes">Bytes of its body.</param>
/// <param name="MaxImages">Images.</param>
/// <param name="MaxImagePixels">Pixels of one image.</param>
/// <param name="MaxRequestPixels">Pixels of all images.</param>
internal sealed record RequestLimits(int MaxBodyBytes, int MaxImages, long MaxImagePixels, long MaxRequestPixels);

internal static class ReadEndpoints
{
    private static readonly string[] methods = [HttpMethods.Get, HttpMethods.Head];

    /// <summary>Adds an endpoint that answers GET, and HEAD without the body.</summary>
    public static void MapRead(this WebApplication app, string path, Delegate answer) => app.MapMethods(path, methods, answer);
}

/// <summary>Leaves the signals to the program: the host's own lifetime would listen to Ctrl-C beside it.</summary>
internal sealed class SilentLifetime : IHostLifetime
{
    /// <inheritdoc/>
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>What a server answers from files of this program: a plain page to drop images on, which loads nothing from elsewhere, and the description of the API.</summary>
internal static class ServerPage
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void Map(WebApplication app)
    {
        MapFile(app, "/", "page.html", "text/html; charset=utf-8");
        MapFile(app, "/page.js", "page.js", "text/javascript; charset=utf-8");
        MapFile(app, "/page.css", "page.css", "text/css; charset=utf-8");
        MapFile(app, "/openapi.json", "openapi.json", "application/json");
    }

    private static void MapFile(WebApplication app, string path, string name, string type)
    {
        using var stream = typeof(ServerPage).Assembly.GetManifestResourceStream($"serving/{name}")
            ?? throw new InvalidOperationException($"The program was built without {name}.");
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        app.MapRead(path, (HttpContext context) =>
        {
            context.Response.Headers.ContentSecurityPolicy = Policy;
            return Results.Bytes(content, type);
        });
    }
}
