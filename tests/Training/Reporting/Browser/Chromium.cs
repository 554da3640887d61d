using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json.Nodes;

namespace Pascl.Tests.Training.Reporting.Browser;

/// <summary>
/// A headless Chromium, spoken to by its DevTools protocol. Where no Chromium is installed the test is skipped with a reason; <c>CHROMIUM</c> names
/// one that is not on the path.
/// </summary>
internal sealed class Chromium : IDisposable
{
    private const string Listening = "DevTools listening on ";
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);

    private readonly Process process;
    private readonly ClientWebSocket socket = new();
    private readonly TemporaryFolder profile = new();
    private readonly List<JsonNode> events = [];
    private int lastCommand;

    private Chromium(string program)
    {
        // Without a sandbox, because tests often run as root in a container; the pages are ours.
        var start = new ProcessStartInfo(
            program,
            "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking --hide-scrollbars " +
            $"--remote-debugging-port=0 --user-data-dir={profile.Path} about:blank");
        (start.RedirectStandardError, start.RedirectStandardOutput) = (true, true);
        process = Process.Start(start)!;
        string? line;
        while ((line = process.StandardError.ReadLine()) is not null && !line.StartsWith(Listening, StringComparison.Ordinal))
        {
        }

        Assert.That(line, Is.Not.Null, "Chromium ended before it listened.");
        // What nobody reads would stop the browser when the pipe is full.
        _ = process.StandardError.ReadToEndAsync();
        _ = process.StandardOutput.ReadToEndAsync();
        using var timeout = new CancellationTokenSource(patience);
        socket.ConnectAsync(new Uri(line![Listening.Length..]), timeout.Token).Wait(timeout.Token);
    }

    /// <summary>Starts a browser.</summary>
    public static Chromium Start()
    {
        string[] names = [Environment.GetEnvironmentVariable("CHROMIUM") ?? "", "chromium", "chromium-browser", "google-chrome"];
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        var program = names.Where(name => name.Length > 0).SelectMany(name => folders.Select(folder => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        if (program is null)
        {
            Assert.Ignore("No Chromium was found on the path or in CHROMIUM; install it (Debian: apt-get install chromium) to run this test.");
        }

        return new Chromium(program!);
    }

    /// <summary>Opens a file in a new tab and waits until it is loaded.</summary>
    public BrowserPage Open(string path, int width, int height, bool dark = false)
    {
        var target = (string)Send("Target.createTarget", new() { ["url"] = "about:blank" })["targetId"]!;
        var session = (string)Send("Target.attachToTarget", new() { ["targetId"] = target, ["flatten"] = true })["sessionId"]!;
        var page = new BrowserPage(this, session, target);
        page.Load(path, width, height, dark);
        return page;
    }

    /// <summary>Sends a command and returns its result.</summary>
    public JsonNode Send(string method, JsonObject? parameters = null, string? session = null)
    {
        var command = new JsonObject { ["id"] = ++lastCommand, ["method"] = method, ["params"] = parameters ?? [] };
        if (session is not null)
        {
            command["sessionId"] = session;
        }

        using var timeout = new CancellationTokenSource(patience);
        socket.SendAsync(System.Text.Encoding.UTF8.GetBytes(command.ToJsonString()), WebSocketMessageType.Text, true, timeout.Token).Wait(timeout.Token);
        while (true)
        {
            var message = Receive(timeout.Token);
            if ((int?)message["id"] == lastCommand)
            {
                Assert.That(message["error"]?.ToJsonString(), Is.Null, method);
                return message["result"]!;
            }

            events.Add(message);
        }
    }

    /// <summary>Waits for an event.</summary>
    public void WaitFor(string method, string session)
    {
        using var timeout = new CancellationTokenSource(patience);
        while (!Events(session).Any(message => (string?)message["method"] == method))
        {
            events.Add(Receive(timeout.Token));
        }
    }

    /// <summary>What a tab told so far.</summary>
    public IEnumerable<JsonNode> Events(string session) => events.Where(message => (string?)message["sessionId"] == session);

    public void Dispose()
    {
        socket.Dispose();
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
        profile.Dispose();
    }

    private JsonNode Receive(CancellationToken cancellation)
    {
        using var message = new MemoryStream();
        var buffer = new byte[1 << 16];
        ValueWebSocketReceiveResult part;
        do
        {
            part = socket.ReceiveAsync(buffer.AsMemory(), cancellation).AsTask().GetAwaiter().GetResult();
            message.Write(buffer, 0, part.Count);
        }
        while (!part.EndOfMessage);
        return JsonNode.Parse(message.ToArray())!;
    }
}
