using System.CommandLine;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Cli;

/// <summary><c>data check</c>: what a path holds, and whether it is fit for training or testing.</summary>
internal static class DataCommand
{
    internal const string Name = "data";

    private const int ListedSizes = 4;

    // What torchvision's models are evaluated from.
    private const int UsualSide = 256;
    private const int SmallestSide = 8;
    private const int LargestSide = 4096;

    /// <summary>The command <c>data</c> with what it can do.</summary>
    public static Command Create()
    {
        var paths = new Argument<string[]>("PATH")
        {
            Description = "Folders, archives (.tar, .tar.gz, .tgz), folders inside an archive (ARCHIVE/inner/folder), or files .npy.",
            Arity = ArgumentArity.OneOrMore,
        };
        var check = new Command(
            "check",
            "Read every image and say what the path holds: format, sizes, images per class, imbalance, and what is wrong. "
            + "Of several paths it also says which images they share. "
            + "Exit code 0 if all is well, 1 if something is wrong, 2 if the path cannot be used.")
        {
            paths,
        };
        var root = RootOption();
        check.Options.Add(root);
        check.SetAction(parsed => Check(parsed.GetValue(paths)!, parsed.GetValue(root)));
        check.WithExamples(
            "data check photos", "data check photos outliers textures", "data check cifar-10-python.tar.gz", "data check downloads.tar/photos/train",
            "data check ImageNet_LT_train.txt --root ILSVRC2012");
        return new Command(Name, "Look at image data sets, or pack them.") { check, CreatePack() };
    }

    private static Option<string> RootOption() => new("--root") { Description = "folder or archive that the paths of a list start from" };

    private static Command CreatePack()
    {
        var source = new Argument<string>("SOURCE") { Description = "folder or archive of images, or a list with --root" };
        var output = new Argument<string>("OUT") { Description = "the file to write, for example photos.pack" };
        var side = new Option<int>("--side") { Description = "shorter side of the stored images in pixels; smaller images stay as they are", DefaultValueFactory = _ => UsualSide };
        var root = RootOption();
        var pack = new Command(
            "pack",
            "Decode every image once, turn and resize it, and store all of them in one file, which is accepted wherever a folder of images is and read without decoding. "
            + "Broken images are listed and left out.")
        {
            source, output, side, root,
        };
        var force = OverwriteOption.AddTo(pack);
        pack.SetAction(parsed => Pack(parsed.GetRequiredValue(source), parsed.GetRequiredValue(output), parsed.GetValue(side), parsed.GetValue(root), parsed.GetValue(force)));
        return pack.WithExamples("data pack photos photos.pack", "data pack ImageNet_LT_train.txt imagenet-lt.pack --root ILSVRC2012", "data pack photos.tar photos.pack --side 292");
    }

    private static int Pack(string source, string output, int side, string? root, bool isForced)
    {
        if (side is < SmallestSide or > LargestSide)
        {
            throw new InputException($"--side is {side}; expected {SmallestSide} to {LargestSide} pixels.");
        }

        if (File.Exists(output) && !isForced)
        {
            throw new InputException($"{output} exists already; choose another name, or write over it with --force.");
        }

        if (Dataset.Open(source, root) is not FileDataset dataset)
        {
            throw new InputException($"{source} does not consist of image files, so there is nothing to decode; it is read quickly as it is.");
        }

        var (images, bytes, leftOut) = PackedSet.Write(dataset, output, side);
        Console.WriteLine($"{output}: {images:N0} images, {bytes >> 20:N0} MiB, shorter side {side}.");
        if (leftOut.Count > 0)
        {
            ConsoleTable.Write("Left out", [$"{leftOut.Count:N0} broken images"], [.. leftOut.Select(sentence => new[] { sentence })]);
        }

        return ExitCode.Done;
    }

    private static int Check(string[] paths, string? root)
    {
        if (root is not null && paths.Length > 1)
        {
            throw new InputException("--root says where the paths of one list start from; check one PATH with it.");
        }

        (string Path, DatasetCheck Check)[] found = [.. paths.Select(path => (path, DatasetCheck.Run(path, root)))];
        foreach (var (path, check) in found)
        {
            Write(path, check);
        }

        var shared = found.Length > 1 ? DatasetCheck.Shared(found) : [];
        if (shared.Count > 0)
        {
            ConsoleTable.Write("Shared images", ["between the paths"], [.. shared.Select(sentence => new[] { sentence })]);
        }

        return shared.Count == 0 && Array.TrueForAll(found, check => check.Check.Problems.Count == 0) ? ExitCode.Done : ExitCode.CheckFailed;
    }

    private static void Write(string path, DatasetCheck found)
    {
        ConsoleTable.Write("Data set", ["path", path], [.. Facts(found)]);
        if (found.ClassNames.Count > 0)
        {
            ConsoleTable.Write("Images per class", ["class", .. found.Parts.Select(part => part.Name)], [.. CountsPerClass(found)]);
        }

        if (found.Problems.Count > 0)
        {
            ConsoleTable.Write("Problems", [$"{found.Problems.Count:N0} found"], [.. found.Problems.Select(problem => new[] { problem })]);
        }

        if (found.Notes.Count > 0)
        {
            ConsoleTable.Write("Notes", ["on how it is read"], [.. found.Notes.Select(note => new[] { note })]);
        }
    }

    private static IEnumerable<string[]> Facts(DatasetCheck found)
    {
        yield return ["format", found.Format];
        yield return ["usable as", found.UsableAs];
        foreach (var part in found.Parts)
        {
            yield return [part.Name, $"{part.Images.Count:N0} readable; {SizesOf(part)} pixels"];
        }

        var counts = found.Parts[0].Images.CountPerClass();
        if (counts.Length > 0 && found.UsableAs.StartsWith("in-distribution", StringComparison.Ordinal))
        {
            yield return ["classes", $"{counts.Length}"];
            var (largest, smallest) = (counts.Max(), counts.Min());
            yield return ["imbalance", $"{(double)largest / smallest:0.##} to 1 (largest class {largest:N0}, smallest {smallest:N0})"];
            yield return ["profile", ProfileOf(counts)];
        }

        yield return ["problems", found.Problems.Count == 0 ? "none" : $"{found.Problems.Count:N0}"];
    }

    private static IEnumerable<string[]> CountsPerClass(DatasetCheck found)
    {
        int[][] counts = [.. found.Parts.Select(part => part.Images.CountPerClass())];
        return found.ClassNames.Index().Select(name => (string[])[name.Item, .. counts.Select(part => $"{part[name.Index]}")]);
    }

    private static string ProfileOf(int[] counts) =>
        LongTailProfile.Of(counts) is { } profile ? $"{profile.Shape.ToString().ToLowerInvariant()}, ratio {profile.Ratio:0.####}"
        : counts.Min() == counts.Max() ? "balanced"
        : "neither exponential nor step";

    private static string SizesOf(DatasetCheck.Part part)
    {
        var sizes = part.Sizes.Take(ListedSizes).Select(size => $"{size.Count:N0} of {size.Width} x {size.Height}");
        return string.Join(", ", sizes) + (part.Sizes.Count > ListedSizes ? $", and {part.Sizes.Count - ListedSizes} other sizes" : "");
    }
}
