using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Pascl.Training.Backbones;

namespace Pascl.Training.Cli;

/// <summary>The computing of features as the user sees it: a line for each set and view that is done, and every ten seconds.</summary>
internal sealed class FeatureLines : IProgress<FeatureProgress>
{
    private static readonly TimeSpan interval = TimeSpan.FromSeconds(10);

    private long last = Stopwatch.GetTimestamp();

    public static FeatureListener Listener() => new(Console.WriteLine, new FeatureLines());

    public void Report(FeatureProgress value)
    {
        if (value.Done == value.Total || Stopwatch.GetElapsedTime(last) >= interval)
        {
            last = Stopwatch.GetTimestamp();
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"features of {value.What}: {value.Done:N0} of {value.Total:N0} images, {value.ImagesPerSecond:0.#} images/s"));
        }
    }
}

/// <summary>Where the backbone of a run is now, which every command takes that runs its network.</summary>
internal static class BackboneOption
{
    private static readonly Option<string> backbone = new("--backbone")
    {
        Description = "where the ONNX file of the run's frozen backbone is now, if it moved and is not in the run folder",
    };

    private static readonly Option<string> cache = new("--feature-cache") { Description = "folder where the backbone's features are kept, if not where they were" };

    public static Option FileOption => backbone;

    public static Option CacheOption => cache;

    public static Command WithBackbone(this Command command, bool hasCache = false)
    {
        command.Options.Add(backbone);
        if (hasCache)
        {
            command.Options.Add(cache);
        }

        return command;
    }

    public static string? File(ParseResult result) => result.GetValue(backbone);

    public static string? Cache(ParseResult result) => result.GetValue(cache);
}
