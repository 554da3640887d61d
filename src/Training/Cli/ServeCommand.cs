using System.CommandLine;
using System.Globalization;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Serving;

namespace Pascl.Training.Cli;

/// <summary><c>serve</c>: a trained run behind HTTP.</summary>
internal static class ServeCommand
{
    private static readonly ServeSettings usual = new();

    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "run folder" };
        var urls = new Option<string>("--urls")
        {
            Description = "addresses to listen on, http://HOST:PORT with ; between; port 0 takes a free one",
            DefaultValueFactory = _ => usual.Addresses[0],
        };
        var batch = Number("--batch", "images that the network takes at once, of all requests together", usual.BatchSize, 1024);
        var wait = Number("--wait", "milliseconds that an image waits for others to share its batch", (int)usual.Wait.TotalMilliseconds, 1000, least: 0);
        var workers = Number(
            "--workers", "batches scored at one time, which share the cores; fewer answer a lone large image sooner", usual.Workers, Math.Max(64, usual.Workers));
        var body = Number("--max-body", "MiB of a request's body", usual.BodyLimit >> 20, 1024);
        var pixels = Number("--max-pixels", "millions of pixels of an image", (int)(usual.PixelLimit / 1_000_000), 100);
        var images = Number("--max-images", "images in a request", usual.ImageLimit, 1024);
        var requests = Number("--max-requests", "requests worked on or waiting at one time; more get 503 and Retry-After", usual.RequestLimit, 100_000);
        var timeout = Number("--timeout", "seconds that a request may take", (int)usual.Timeout.TotalSeconds, 3600);
        var command = new Command(
            "serve",
            "Answers images by HTTP with class, probability, out-of-distribution score and decision, until Ctrl-C: POST /score with an image or a form of "
            + "images; /healthz; /metrics for Prometheus; a page to drop images on. It listens on this machine alone unless --urls says otherwise; "
            + "it has no passwords and no TLS.")
        {
            run, urls, batch, wait, workers, body, pixels, images, requests, timeout,
        };
        command.SetAction((result, cancellation) => Run(
            result.GetRequiredValue(run),
            new ServeSettings
            {
                Addresses = [.. result.GetRequiredValue(urls).Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Check)],
                BatchSize = result.GetRequiredValue(batch),
                Wait = TimeSpan.FromMilliseconds(result.GetRequiredValue(wait)),
                Workers = result.GetRequiredValue(workers),
                BodyLimit = result.GetRequiredValue(body) << 20,
                PixelLimit = result.GetRequiredValue(pixels) * 1_000_000L,
                ImageLimit = result.GetRequiredValue(images),
                RequestLimit = result.GetRequiredValue(requests),
                Timeout = TimeSpan.FromSeconds(result.GetRequiredValue(timeout)),
            },
            ConvolutionOption.IsOn(result),
            cancellation));
        return command.WithConvolutionCheck().WithExamples("serve runs/oe-1", "serve runs/oe-1 --urls http://127.0.0.1:9000 --max-body 50 --max-pixels 60");
    }

    private static Option<int> Number(string name, string description, int value, int most, int least = 1) => new(name)
    {
        Description = $"{description}, {least} to {most}",
        DefaultValueFactory = _ => value,
        CustomParser = result => int.TryParse(result.Tokens[0].Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number)
            && number >= least && number <= most
            ? number
            : throw new InputException($"{name} takes a whole number from {least} to {most}, not '{result.Tokens[0].Value}'."),
    };

    private static string Check(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttp && uri.PathAndQuery == "/" && uri.UserInfo.Length == 0
            ? address
            : throw new InputException($"'{address}' is not an address to listen on; expected http://HOST:PORT, as in {usual.Addresses[0]}.");

    private static async Task<int> Run(string path, ServeSettings settings, bool checksConvolutions, CancellationToken cancellation)
    {
        using var model = ScoringModel.Open(path, settings.Workers);
        model.WarnWithoutThreshold(Console.Error);
        ConvolutionOption.Warn(checksConvolutions ? model.CheckConvolutions(settings.BatchSize) : null);
        await using var server = await ScoringServer.Start(model, settings);
        foreach (var address in server.Addresses)
        {
            Console.WriteLine($"Serves {model.Path} at {address} until Ctrl-C");
            if (!new Uri(address).IsLoopback)
            {
                Console.Error.WriteLine($"Anyone who can reach {address} can use it; a proxy in front of it can ask for passwords and speak TLS.");
            }
        }

        // Ending on Ctrl-C is what a server does: not an error.
        await Task.Delay(Timeout.Infinite, cancellation).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        return ExitCode.Done;
    }
}
