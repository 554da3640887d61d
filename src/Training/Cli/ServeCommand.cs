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
        var hosts = new Option<string>("--hosts")
        {
            Description = "names by which senders may call the server (Host header) with ; between, or * for any; by default those of this machine where only it "
                + "can call, any otherwise",
        };
        var keys = new Option<string>("--api-key-file") { Description = "file of API keys, one a line, of which a request must bring one" };
        var log = new Option<string>("--access-log")
        {
            Description = "where a line of JSON for each request is written: stdout, stderr or none",
            DefaultValueFactory = _ => "none",
            CustomParser = result => result.Tokens[0].Value is "stdout" or "stderr" or "none"
                ? result.Tokens[0].Value
                : throw new InputException($"--access-log takes stdout, stderr or none, not '{result.Tokens[0].Value}'."),
        };
        var batch = Number("--batch", "images that the network takes at once, of all requests together", usual.BatchSize, 1024);
        var wait = Number("--wait", "milliseconds that an image waits for others to share its batch", (int)usual.Wait.TotalMilliseconds, 1000, least: 0);
        var workers = Number(
            "--workers", "batches scored at one time, which share the cores; fewer answer a lone large image sooner", usual.Workers, Math.Max(64, usual.Workers));
        var body = Number("--max-body", "MiB of a request's body", usual.BodyLimit >> 20, 1024);
        var pixels = Number("--max-pixels", "millions of pixels of an image", (int)(usual.PixelLimit / 1_000_000), 100);
        var requestPixels = Number("--max-request-pixels", "millions of pixels of all images of a request", (int)(usual.RequestPixelLimit / 1_000_000), 100_000);
        var queuedPixels = Number(
            "--max-queued-pixels",
            "millions of pixels of the large images of all requests that are here, at least --max-request-pixels; more get 503",
            (int)(usual.QueuedPixelLimit / 1_000_000),
            1_000_000);
        var decodingPixels = Number(
            "--max-decoding-pixels",
            "millions of pixels of large images that are decoded at one time, 4 bytes of memory each; one image alone always is",
            (int)(usual.DecodingPixelLimit / 1_000_000),
            100_000);
        var bodies = Number("--max-bodies", "MiB of all bodies that are here at one time, at least --max-body; more get 503", (int)(usual.BodiesLimit >> 20), 1 << 20);
        var images = Number("--max-images", "images in a request", usual.ImageLimit, 1024);
        var requests = Number("--max-requests", "requests worked on or waiting at one time; more get 503 and Retry-After", usual.RequestLimit, 100_000);
        var timeout = Number("--timeout", "seconds that a request may take, its upload included", (int)usual.Timeout.TotalSeconds, 3600);
        var drain = Number(
            "--drain-seconds", "seconds that the server goes on after Ctrl-C or SIGTERM while /readyz says 503", (int)usual.Drain.TotalSeconds, 3600, least: 0);
        var command = new Command(
            "serve",
            "Answers images by HTTP with class, probability, out-of-distribution score and decision, until Ctrl-C: POST /score with an image or a form of "
            + "images; /healthz and /readyz; /metrics for Prometheus; /v1/model and /openapi.json; a page to drop images on. It listens on this machine alone unless "
            + "--urls says otherwise; it has no TLS.")
        {
            run, urls, hosts, keys, log, batch, wait, workers, body, bodies, pixels, requestPixels, queuedPixels, decodingPixels, images, requests, timeout, drain,
        };
        command.SetAction((result, cancellation) =>
        {
            CommandLibraries.RequireForServe();
            var addresses = ListenAddress.Parse(result.GetRequiredValue(urls));
            return Run(
                result.GetRequiredValue(run),
                new ServeSettings
                {
                    Addresses = addresses,
                    Hosts = result.GetValue(hosts) is { } names ? HostNames.Parse(names) : HostNames.Usual(addresses),
                    Keys = result.GetValue(keys) is { } path ? ApiKeys.Read(path) : ApiKeys.None,
                    AccessLog = result.GetValue(log) switch { "stdout" => Console.Out, "stderr" => Console.Error, _ => null },
                    BatchSize = result.GetRequiredValue(batch),
                    Wait = TimeSpan.FromMilliseconds(result.GetRequiredValue(wait)),
                    Workers = result.GetRequiredValue(workers),
                    BodyLimit = result.GetRequiredValue(body) << 20,
                    BodiesLimit = (long)result.GetRequiredValue(bodies) << 20,
                    PixelLimit = result.GetRequiredValue(pixels) * 1_000_000L,
                    RequestPixelLimit = Math.Max(result.GetRequiredValue(requestPixels), result.GetRequiredValue(pixels)) * 1_000_000L,
                    QueuedPixelLimit = result.GetRequiredValue(queuedPixels) * 1_000_000L,
                    DecodingPixelLimit = result.GetRequiredValue(decodingPixels) * 1_000_000L,
                    ImageLimit = result.GetRequiredValue(images),
                    RequestLimit = result.GetRequiredValue(requests),
                    Timeout = TimeSpan.FromSeconds(result.GetRequiredValue(timeout)),
                    Drain = TimeSpan.FromSeconds(result.GetRequiredValue(drain)),
                },
                BackboneOption.File(result),
                ConvolutionOption.IsOn(result),
                EngineOption.Of(result),
                cancellation);
        });
        return command.WithEngine().WithBackbone().WithConvolutionCheck().WithExamples("serve runs/oe-1", "serve runs/oe-1 --urls http://127.0.0.1:9000 --max-body 50 --max-pixels 60");
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

    private static async Task<int> Run(string path, ServeSettings settings, string? backbone, bool checksConvolutions, ScoringEngine engine, CancellationToken cancellation)
    {
        using var model = ScoringModel.Open(path, settings.Workers, backbone);
        model.WarnWithoutThreshold(Console.Error);
        ConvolutionOption.Warn(checksConvolutions ? model.CheckConvolutions(settings.BatchSize) : null);
        var chosen = model.Use(engine, settings.BatchSize);
        await using var server = await ScoringServer.Start(model, settings);
        foreach (var address in server.Addresses)
        {
            Console.WriteLine($"Serves {model.Path} at {address} until Ctrl-C");
            if (!new Uri(address).IsLoopback && settings.Keys == ApiKeys.None)
            {
                Console.Error.WriteLine($"Anyone who can reach {address} can use it: --api-key-file asks for a key, and a proxy in front of it can speak TLS.");
            }
        }

        Console.WriteLine(model.Description);
        if (chosen is not null)
        {
            Console.WriteLine(chosen);
        }

        // Ending on Ctrl-C is what a server does: not an error.
        await Task.Delay(Timeout.Infinite, cancellation).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        await server.Drain();
        return ExitCode.Done;
    }
}
