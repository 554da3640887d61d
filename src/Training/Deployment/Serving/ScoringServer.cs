using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Pascl.Training.Deployment.Serving;

/// <summary>
/// A model behind HTTP: <c>POST /score</c>, <c>/healthz</c>, <c>/metrics</c> and a page at <c>/</c>. It reads no configuration but its settings. Errors are
/// problem details (RFC 9457) and name nothing of this machine.
/// </summary>
internal sealed class ScoringServer : IAsyncDisposable
{
    private const string Limited = "score";
    private const string Defects = "Microsoft.AspNetCore.Diagnostics";

    private readonly ServerMetrics metrics = new();
    private readonly BatchQueue queue;
    private readonly ScoreEndpoint endpoint;
    private readonly WebApplication app;

    private ScoringServer(ScoringModel model, ServeSettings settings)
    {
        queue = new BatchQueue(model, settings, metrics);
        endpoint = new ScoreEndpoint(model, settings, queue, metrics);
        app = Build(settings);
        Map();
    }

    /// <summary>Where the server listens, with the ports that it got.</summary>
    public IEnumerable<string> Addresses => app.Urls;

    /// <summary>Begins to listen.</summary>
    /// <param name="model">The model; the caller keeps it as long as the server.</param>
    /// <param name="settings">Where to listen and what to take.</param>
    /// <exception cref="IOException">An address is in use.</exception>
    public static async Task<ScoringServer> Start(ScoringModel model, ServeSettings settings)
    {
        var server = new ScoringServer(model, settings);
        try
        {
            await server.app.StartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Takes no new requests, answers those that are here, and stops.</summary>
    public async ValueTask DisposeAsync()
    {
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
        });
        builder.WebHost.UseUrls([.. settings.Addresses]);

        // Defects only. The framework also logs what a sender did wrong, and an address in use, which the command says in a sentence.
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace)
            .AddFilter((category, level) => level >= LogLevel.Error && category?.StartsWith(Defects, StringComparison.Ordinal) == true);
        builder.Services.AddRoutingCore().AddProblemDetails().AddSingleton<IHostLifetime, SilentLifetime>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = settings.Timeout);
        builder.Services.AddRequestTimeouts(timeouts => timeouts.AddPolicy(
            Limited, new RequestTimeoutPolicy { Timeout = settings.Timeout, TimeoutStatusCode = StatusCodes.Status503ServiceUnavailable }));
        builder.Services.AddRateLimiter(limits =>
        {
            limits.RejectionStatusCode = StatusCodes.Status503ServiceUnavailable;
            limits.AddConcurrencyLimiter(Limited, limit => limit.PermitLimit = settings.RequestLimit);
            limits.OnRejected = (rejected, _) =>
            {
                rejected.HttpContext.Response.Headers.RetryAfter = "1";
                return ValueTask.CompletedTask;
            };
        });
        return builder.Build();
    }

    private void Map()
    {
        app.UseWhen(context => context.Request.Path == "/score", branch => branch.Use(endpoint.Count));
        app.Use((context, next) =>
        {
            context.Response.Headers.XContentTypeOptions = "nosniff";
            return next(context);
        });
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseRouting();
        app.UseRequestTimeouts();
        app.UseRateLimiter();
        app.MapPost("/score", endpoint.Answer).RequireRateLimiting(Limited).WithRequestTimeout(Limited);
        app.MapGet("/healthz", () => queue.IsAlive ? Results.Text("ok\n") : Results.StatusCode(StatusCodes.Status503ServiceUnavailable));
        app.MapGet("/metrics", WriteMetrics);
        ServerPage.Map(app);
    }

    private Task WriteMetrics(HttpContext context)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return metrics.WriteTo(context.Response.Body, context.RequestAborted);
    }
}

/// <summary>Where a server listens and what it takes.</summary>
internal sealed record ServeSettings
{
    /// <summary>Addresses, <c>http://HOST:PORT</c>.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = ["http://127.0.0.1:8080"];

    /// <summary>Images that the network takes at once, of all requests together.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>How long an image waits for others to share its batch.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>Batches that are scored at one time.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Bytes of a request's body, at most.</summary>
    public int BodyLimit { get; init; } = 10 << 20;

    /// <summary>Pixels of one image, at most; known from its header before anything is decoded.</summary>
    public long PixelLimit { get; init; } = 25_000_000;

    /// <summary>Images in one request, at most.</summary>
    public int ImageLimit { get; init; } = 64;

    /// <summary>Requests for scores that are worked on or wait at one time; more are turned away.</summary>
    public int RequestLimit { get; init; } = 64;

    /// <summary>How long a request may take, its upload included.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>A plain page to drop images on. It loads nothing from elsewhere, and its policy would not let it.</summary>
internal static class ServerPage
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// <summary>Adds the page and its two files.</summary>
    public static void Map(WebApplication app)
    {
        MapFile(app, "/", "page.html", "text/html; charset=utf-8");
        MapFile(app, "/page.js", "page.js", "text/javascript; charset=utf-8");
        MapFile(app, "/page.css", "page.css", "text/css; charset=utf-8");
    }

    private static void MapFile(WebApplication app, string path, string name, string type)
    {
        using var stream = typeof(ServerPage).Assembly.GetManifestResourceStream($"serving/{name}")
            ?? throw new InvalidOperationException($"The program was built without {name}.");
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        app.MapGet(path, (HttpContext context) =>
        {
            context.Response.Headers.ContentSecurityPolicy = Policy;
            return Results.Bytes(content, type);
        });
    }
}

/// <summary>Leaves the signals to the program: the host's own lifetime would listen to Ctrl-C beside it.</summary>
internal sealed class SilentLifetime : IHostLifetime
{
    /// <inheritdoc/>
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
