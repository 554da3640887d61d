using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Pascl.Kernels;
using Pascl.Training.Data;
using TorchSharp;

namespace Pascl.Training.Backbones;

/// <summary>
/// Computes the features of images once, and keeps them in files: one for each set and view, named by a fingerprint of everything that they depend on. Blocks are
/// written as they are done, so that a process that is killed goes on where it was; files are looked through when they are opened, and what is damaged is computed anew.
/// </summary>
internal sealed class FeatureCache
{
    // Another number, other files: raise it where the same settings come to give other pixels.
    private const int Version = 1;

    private readonly FrozenBackbone backbone;
    private readonly string folder;
    private readonly FeatureListener listener;
    private readonly CancellationToken cancellation;

    /// <summary>Prepares a cache, and its folder.</summary>
    /// <param name="backbone">What computes the features.</param>
    /// <param name="listener">Told how it goes.</param>
    /// <param name="cancellation">Ends the computing after the current images; what is done stays.</param>
    /// <exception cref="InputException">The folder cannot be made or written.</exception>
    public FeatureCache(FrozenBackbone backbone, FeatureListener listener, CancellationToken cancellation = default)
    {
        (this.backbone, this.listener, this.cancellation) = (backbone, listener, cancellation);
        folder = backbone.Settings.Cache ?? UsualFolder;
        Guard(() => Directory.CreateDirectory(folder));
    }

    /// <summary>Where features are kept if nobody says otherwise: <c>$XDG_CACHE_HOME/pascl/features</c>, or <c>~/.cache/pascl/features</c>.</summary>
    public static string UsualFolder => Path.Combine(
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
            ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
        "pascl", "features");

    /// <summary>Images whose features were computed, of all that were asked for.</summary>
    public int Computed { get; private set; }

    /// <summary>A set with its features.</summary>
    /// <param name="images">The images, of the backbone's size.</param>
    /// <param name="role">What they are to the run, for messages.</param>
    /// <param name="plain">Whether the images as they are will be asked for.</param>
    /// <param name="views">How many augmented views, and how they are drawn; null for none.</param>
    /// <exception cref="InputException">The files cannot be written, or the backbone gives features that are not finite.</exception>
    public ImageSet Of(ImageSet images, string role, bool plain, ViewPlan? views = null)
    {
        if (images.Count == 0)
        {
            return images;
        }

        var fingerprint = Fingerprint(images);
        return images.WithFeatures(new FeatureRows(
            plain ? Block(images, role, fingerprint, null, 0) : null,
            [.. Enumerable.Range(0, views?.Count ?? 0).Select(view => Block(images, role, fingerprint, views, view))],
            [.. Enumerable.Range(0, images.Count)]));
    }

    private FeatureBlock Block(ImageSet images, string role, string fingerprint, ViewPlan? views, int view)
    {
        var text = Describe(images, fingerprint, views, view);
        var layout = new FeatureLayout(SHA256.HashData(Encoding.UTF8.GetBytes(text)), images.Count, backbone.RowWidth);
        var path = Path.Combine(folder, $"{Convert.ToHexStringLower(layout.Key)[..32]}.features");
        return Guard(() =>
        {
            var (rows, missing) = FeatureFile.TryMap(path, layout);
            if (rows is not null)
            {
                return rows;
            }

            var unfinished = path + ".unfinished";
            using (var file = FeatureFile.OpenToFill(unfinished, layout, () => listener.Say($"Another process computes the features of {role}; they are waited for."), cancellation))
            {
                // Somebody may have finished it meanwhile.
                (rows, missing) = FeatureFile.TryMap(path, layout);
                if (rows is not null)
                {
                    File.Delete(unfinished);
                    return rows;
                }

                if (missing > 0)
                {
                    listener.Say($"{path} is damaged or of other images in {missing} of {layout.Blocks} blocks; these are computed anew.");
                    file.TakeOver(path);
                }

                Fill(file, file.Prepare(), layout, images, role, views, view);
                file.Finish(path);
            }

            return FeatureFile.TryMap(path, layout).Rows ?? throw new IOException("what was written does not read back");
        });
    }

    // Rows are handed out in their order, so that few blocks are open at one time.
    private void Fill(FeatureFile file, IReadOnlyList<int> missing, FeatureLayout layout, ImageSet images, string role, ViewPlan? views, int view)
    {
        int[] rows = [.. missing.SelectMany(block => Enumerable.Range(block * FeatureLayout.BlockRows, layout.RowsOf(block)))];
        var open = new Dictionary<int, (float[] Rows, int Left)>();
        var (next, done, started) = (-1, 0, Stopwatch.GetTimestamp());
        using var pixels = new ViewPixels(images, views, view);
        Parallel.For(0, Math.Min(rows.Length, Environment.ProcessorCount), (_, state) =>
        {
            var image = new float[images.Height * images.Width * PixelBlock.Channels];
            var features = new float[layout.Width];
            while (!cancellation.IsCancellationRequested && !state.ShouldExitCurrentIteration && Interlocked.Increment(ref next) is var place && place < rows.Length)
            {
                var row = rows[place];
                pixels.Copy(row, image);
                if (!backbone.Compute(image, features))
                {
                    state.Stop();
                    throw backbone.NotFinite(images.Source(row));
                }

                Store(row, features);
            }
        });
        cancellation.ThrowIfCancellationRequested();

        void Store(int row, float[] features)
        {
            var (block, place) = (row / FeatureLayout.BlockRows, row % FeatureLayout.BlockRows);
            lock (open)
            {
                var (values, left) = open.TryGetValue(block, out var begun) ? begun : (new float[layout.RowsOf(block) * layout.Width], layout.RowsOf(block));
                features.CopyTo(values.AsSpan(place * layout.Width));
                open[block] = (values, left - 1);
                if (left == 1)
                {
                    file.Write(block, values);
                    open.Remove(block);
                }

                Computed++;
                done++;
                listener.Progress?.Report(new FeatureProgress(
                    views is null ? role : $"{role}, view {view + 1} of {views.Count}", done, rows.Length, done / Stopwatch.GetElapsedTime(started).TotalSeconds));
            }
        }
    }

    private string Describe(ImageSet images, string fingerprint, ViewPlan? views, int view)
    {
        var settings = backbone.Settings;
        var (scale, mean, deviation) = settings.Normalisation();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"""
            pascl features {Version}, ONNX Runtime {OnnxRuntime.Version} on {RuntimeInformation.ProcessArchitecture}
            backbone {settings.Sha256} {settings.Output}{(settings.LogitsOutput is { } logits ? $" {logits}" : "")} {backbone.ImageSize}
            input {settings.Channels} {scale:R} {string.Join(' ', mean.Select(value => value.ToString("R", CultureInfo.InvariantCulture)))} {string.Join(' ', deviation.Select(value => value.ToString("R", CultureInfo.InvariantCulture)))}
            images {images.Count} {images.Height} {images.Width} {fingerprint}
            view {(views is null ? "none" : $"{view} {views.Stream} {views.Seed} {JsonSerializer.Serialize(views.Crop)} {JsonSerializer.Serialize(views.Augmentation)}")}
            """);
    }

    private static string Fingerprint(ImageSet images) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(images.PixelHashes.AsSpan())));

    private T Guard<T>(Func<T> access)
    {
        try
        {
            return access();
        }
        catch (AggregateException exception) when (exception.Flatten().InnerExceptions is [var first, ..] && first is InputException or IOException or UnauthorizedAccessException)
        {
            throw first as InputException ?? CannotWrite(first);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(exception);
        }
    }

    private InputException CannotWrite(Exception exception) => new(
        $"The features of the images cannot be kept in {folder}: {DurableFile.Reason(exception)}. Make room or name another folder with --feature-cache; what is done there is kept.",
        exception);
}

/// <summary>Augmented views of a set.</summary>
/// <param name="Count">How many.</param>
/// <param name="Crop">The part of an image that a view shows; null for a crop of the square behind a border.</param>
/// <param name="Augmentation">How images are changed.</param>
/// <param name="Seed">Seed of the views.</param>
/// <param name="Stream">See <see cref="RandomStream"/>.</param>
internal sealed record ViewPlan(int Count, RandomResizedCrop? Crop, AugmentationSettings Augmentation, ulong Seed, int Stream);

/// <summary>Who is told how the computing of features goes.</summary>
/// <param name="Say">Told one sentence where a file was damaged, or somebody else computes it.</param>
/// <param name="Progress">Told of every image that is done, from one thread at a time.</param>
internal sealed record FeatureListener(Action<string> Say, IProgress<FeatureProgress>? Progress)
{
    public static FeatureListener Nobody { get; } = new(_ => { }, null);
}

/// <summary>How far the features of a set are.</summary>
/// <param name="What">The set and the view.</param>
/// <param name="Done">Images done now.</param>
/// <param name="Total">Images that were missing.</param>
/// <param name="ImagesPerSecond">Since the first of them.</param>
internal readonly record struct FeatureProgress(string What, int Done, int Total, double ImagesPerSecond);

/// <summary>The pixels of a view, made as training makes them: the number of the view stands for the epoch.</summary>
internal sealed class ViewPixels : IDisposable
{
    private readonly ImageSet images;
    private readonly HostViews? maker;
    private readonly ViewPlan? views;
    private readonly int view;

    /// <summary>Prepares a view.</summary>
    /// <param name="images">The images.</param>
    /// <param name="views">How views are made; null for the images as they are.</param>
    /// <param name="view">Which view.</param>
    public ViewPixels(ImageSet images, ViewPlan? views, int view)
    {
        (this.images, this.views, this.view) = (images, views, view);
        if (views is not null)
        {
            maker = new HostViews(images, new BatchPlan { BatchSize = 1, Crop = views.Crop, Augmentation = views.Augmentation, Seed = views.Seed });
            maker.Begin([.. Enumerable.Range(0, images.Count)]);
        }
    }

    /// <summary>Copies an image to (H, W, 3) in [0, 1]; several threads may at one time.</summary>
    public void Copy(int image, float[] pixels)
    {
        if (maker is null)
        {
            Augmentation.ToUnit(images.Pixels(image), pixels);
            return;
        }

        using var tensor = torch.empty(1, images.Height, images.Width, PixelBlock.Channels);
        maker.Make(image, view, views!.Stream, tensor);
        MemoryMarshal.Cast<byte, float>(tensor.bytes).CopyTo(pixels);
    }

    /// <inheritdoc/>
    public void Dispose() => maker?.Dispose();
}
