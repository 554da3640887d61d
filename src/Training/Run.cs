using Pascl.Training.Backbones;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training;

/// <summary>
/// A run that has a checkpoint, opened to be evaluated, deployed, compared or continued: what was trained, the network with the last weights, and its images, each
/// made when it is first asked for.
/// </summary>
public sealed class Run : IDisposable
{
    private readonly string deviceName;
    private readonly bool isOnOtherSets;
    private readonly Precision trainedPrecision;
    private ComputeDevice? device;
    private DualBranchNetwork? network;
    private TrainingData? images;

    private Run(RunFolder folder, Checkpoint checkpoint, Recipe recipe, Precision trainedPrecision, string device, bool isOnOtherSets) =>
        (Folder, Checkpoint, Recipe, this.trainedPrecision, deviceName, this.isOnOtherSets) = (folder, checkpoint, recipe, trainedPrecision, device, isOnOtherSets);

    /// <summary>The folder, with recipe, checkpoint, log and reports.</summary>
    public RunFolder Folder { get; }

    /// <summary>What was trained, on which images, in which precision.</summary>
    public Recipe Recipe { get; private set; }

    /// <summary>What the checkpoint says beside the weights.</summary>
    public CheckpointInfo Info => Checkpoint.Info;

    /// <summary>The open checkpoint; it is closed with the run.</summary>
    public Checkpoint Checkpoint { get; }

    /// <summary>The network with the weights of the checkpoint, computed by torch's operations.</summary>
    /// <exception cref="InputException">The weights are not those of the recipe's network, or the device cannot be used.</exception>
    public DualBranchNetwork Network
    {
        get
        {
            if (network is null)
            {
                device = ComputeDevice.Open(deviceName, Backend.Torch);
                network = Trainer.CreateModel(Recipe, Info.ClassNames.Count, device);
                Checkpoint.LoadInto(network);
            }

            return network;
        }
    }

    /// <summary>The images but the outliers.</summary>
    /// <exception cref="InputException">They cannot be read, or are not those of the training.</exception>
    public TrainingData Images
    {
        get
        {
            if (images is null)
            {
                // Another backbone than that of the run is refused before its images are read.
                var backbone = Recipe.Backbone.Path is null ? null : (Network as FrozenBackboneNetwork)?.Model;
                var read = TrainingDataReader.Read(Recipe, withOutliers: false);
                RequireItsImages(read);
                images = backbone is null ? read : BackboneFeatures.Attach(Recipe, read, backbone, trains: false, Features);
            }

            return images;
        }
    }

    /// <summary>Told what happens to the features of a frozen backbone when <see cref="Images"/> is asked for.</summary>
    internal FeatureListener Features { get; set; } = FeatureListener.Nobody;

    /// <summary>Opens the run in a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="moved">Where its images are now, if not where they were.</param>
    /// <param name="device">Where the network is computed: <c>auto</c>, <c>cpu</c> or <c>cuda:i</c>.</param>
    /// <param name="precision">Its arithmetic; null for that of the training.</param>
    /// <exception cref="InputException">The checkpoint is damaged, or of a newer version.</exception>
    public static Run Open(RunFolder folder, MovedImages? moved = null, string device = "auto", Precision? precision = null)
    {
        var checkpoint = Checkpoint.Open(folder.Checkpoint);
        try
        {
            var trained = RecipeFile.Parse(checkpoint.Info.Recipe, folder.Checkpoint);
            moved ??= MovedImages.None;
            var recipe = trained with { Data = moved.Apply(trained), Backbone = moved.BackboneOf(trained, folder), Precision = precision ?? trained.Precision };
            return new Run(folder, checkpoint, recipe, trained.Precision, device, moved.OutOfDistribution is { Count: > 0 });
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Opens a run to decide about images, in the one precision that all do it in: float32, whatever the training multiplied in, so that calibrate, score, serve and the
    /// exported model agree on every machine. A threshold that an earlier version chose in bfloat16 stays one of bfloat16.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="backbone">Where the backbone's file is now, if it moved.</param>
    /// <exception cref="InputException">The checkpoint is damaged, or of a newer version.</exception>
    public static Run OpenDeployed(RunFolder folder, string? backbone = null)
    {
        var run = Open(folder, new MovedImages { Backbone = backbone });
        run.Recipe = run.Recipe with { Precision = run.ThresholdPrecision };
        return run;
    }

    /// <summary>The precision of the scores that the run's threshold is for.</summary>
    public Precision ThresholdPrecision => Info.Threshold is { Precision: null } ? trainedPrecision : Precision.Float32;

    /// <summary>Opens the run at a path, with its images where the recipe says that they are.</summary>
    /// <exception cref="InputException">There is no run, or it cannot be used.</exception>
    public static Run Open(string path) => Open(RunFolder.Open(path));

    /// <summary>Whether the run's in-distribution images are where they were, or drawn.</summary>
    public bool HasItsImages => Recipe.Data.InDistribution is not { } path || Path.Exists(path) || IsInArchive(path);

    /// <summary>
    /// Leaves the run's out-of-distribution sets out that are no longer there, for what can do without them; those that the user names now must be there. Before
    /// <see cref="Images"/> is asked for.
    /// </summary>
    /// <returns>Their paths.</returns>
    public IReadOnlyList<string> LeaveOutMissingSets()
    {
        if (isOnOtherSets)
        {
            return [];
        }

        var missing = Recipe.Data.OutOfDistribution.Where(set => !NoiseSets.IsName(set.Path) && !Path.Exists(set.Path) && !IsInArchive(set.Path)).ToList();
        Recipe = Recipe with { Data = Recipe.Data with { OutOfDistribution = [.. Recipe.Data.OutOfDistribution.Except(missing)] } };
        return [.. missing.Select(set => set.Path)];
    }

    /// <summary>Refuses images that are not those of the training: another number, other classes, other files, another split, other pixels.</summary>
    /// <exception cref="InputException">They are not; the message says what differs.</exception>
    public void RequireItsImages(TrainingData data)
    {
        RequireItsClasses(data);
        if (Info.Data is not { } trained)
        {
            // A checkpoint of an earlier version has no fingerprint.
            return;
        }

        var now = DataFingerprint.Of(data, Recipe.Data.Place, Recipe.SplitSeed);
        if (!trained.HasFilesOf(now))
        {
            throw new InputException(
                $"The run in {Folder.Root} was trained on other images: its fingerprint is {trained}, but that of the images in {Place} is {now}. "
                + "Name those of the training with --id, or --data.");
        }

        var others = data.OutOfDistribution.Select(set => set.Name).ToHashSet();
        foreach (var (before, after) in trained.Differences(now).Where(pair => !isOnOtherSets || !others.Contains(pair.Here.Set)))
        {
            var advice = others.Contains(before.Set) ? "To evaluate on other sets, name them with --ood; the report of the run is then left as it is."
                : before.Set == SetFingerprint.Outliers ? "Put those of the training back, or name them with --outliers."
                : "Put those of the training back, or name them with --id, or --data.";
            var (had, has) = before.Compared(after) is (null, null) ? (before.Pixels, after.Pixels) : before.Compared(after);
            throw new InputException(
                $"The images of the set {before.Set} are not those of the run in {Folder.Root}, although they have their names: the run has {before.Images:N0} with the hash "
                + $"{had}, but there are {after.Images:N0} with the hash {has}. {advice}");
        }
    }

    private void RequireItsClasses(TrainingData data)
    {
        var (names, counts) = (data.Training.ClassNames, data.Training.CountPerClass());
        if (!Info.ClassNames.SequenceEqual(names))
        {
            string[] differences =
                [.. Info.ClassNames.Except(names).Select(name => $"{name} is missing"), .. names.Except(Info.ClassNames).Select(name => $"{name} is new")];
            throw new InputException(
                $"The run in {Folder.Root} was trained on other classes than {Place} has: "
                + $"{(differences.Length > 0 ? Shortened(differences) : $"the order was {Shortened(Info.ClassNames)}, and is {Shortened(names)}")}. Use the images that it was trained on.");
        }

        if (!Info.TrainingCounts.SequenceEqual(counts))
        {
            var differences = names.Index().Where(name => Info.TrainingCounts[name.Index] != counts[name.Index])
                .Select(name => $"{name.Item} had {Info.TrainingCounts[name.Index]:N0} and has {counts[name.Index]:N0}");
            throw new InputException(
                $"The run in {Folder.Root} was trained on another number of images of some classes than {Place} has: {Shortened([.. differences])}. "
                + "Use the images that it was trained on.");
        }
    }

    /// <summary>Compares the network's convolutions in an evaluation of its images with double precision on this machine.</summary>
    /// <param name="needsImageGradients">Whether gradients of the images will be needed.</param>
    /// <exception cref="InputException">A convolution is wrong in every way.</exception>
    public ConvolutionReport CheckConvolutions(bool needsImageGradients = false) =>
        CheckConvolutions([Images.Test, .. Images.OutOfDistribution, .. Images.Validation is { } held ? [held] : Array.Empty<ImageSet>()], needsImageGradients);

    /// <summary>The same for images that are not the run's.</summary>
    /// <exception cref="InputException">A convolution is wrong in every way.</exception>
    public ConvolutionReport CheckConvolutions(ImageSet images) => CheckConvolutions([images], needsImageGradients: false);

    private ConvolutionReport CheckConvolutions(ImageSet[] evaluated, bool needsImageGradients) => ConvolutionCheck.Run(
        Network, evaluated[0].Height, evaluated[0].Width, [.. ConvolutionUse.Evaluation(evaluated, Predictions.UsualBatchSize, needsImageGradients)]);

    /// <summary>Frees the network and closes the checkpoint.</summary>
    public void Dispose()
    {
        network?.Dispose();
        device?.Dispose();
        Checkpoint.Dispose();
    }

    private string Place => Recipe.Data.InDistribution ?? "the built-in set";

    private static string Shortened(IReadOnlyList<string> items) => string.Join(", ", items.Take(5)) + (items.Count > 5 ? $", and {items.Count - 5} more" : "");

    // ARCHIVE/inner/folder
    private static bool IsInArchive(string path) => Path.GetDirectoryName(path) is { Length: > 0 } above && (File.Exists(above) || IsInArchive(above));
}

/// <summary>Where the images of a run and its frozen backbone are now, each null where it was.</summary>
/// <param name="InDistribution">The in-distribution images.</param>
/// <param name="Outliers">The auxiliary outliers.</param>
/// <param name="OutOfDistribution">The out-of-distribution test sets; none for the run's own.</param>
/// <param name="Folder">The folder of the run's preset with all three.</param>
/// <param name="Root">The folder or archive that the paths of lists start from.</param>
public sealed record MovedImages(
    string? InDistribution = null, string? Outliers = null, IReadOnlyList<NamedPath>? OutOfDistribution = null, string? Folder = null, string? Root = null)
{
    /// <summary>Nothing has moved.</summary>
    public static MovedImages None { get; } = new();

    /// <summary>The file of the frozen backbone.</summary>
    public string? Backbone { get; init; }

    /// <summary>The folder where its features are kept.</summary>
    public string? FeatureCache { get; init; }

    /// <summary>The backbone of a recipe where it is now: where somebody says, else in the run folder, else where it was.</summary>
    /// <exception cref="InputException">It is nowhere, or the run has none.</exception>
    public BackboneSettings BackboneOf(Recipe recipe, RunFolder folder)
    {
        if (recipe.Backbone.Path is not { } before)
        {
            return (Backbone ?? FeatureCache) is { } given
                ? throw new InputException($"The run in {folder.Root} was trained without a frozen backbone, so it has no use for {given}; leave that out.")
                : recipe.Backbone;
        }

        var beside = Path.Combine(folder.Root, Path.GetFileName(before));
        var now = Backbone is { } moved ? Path.GetFullPath(moved) : File.Exists(beside) ? beside : before;
        return File.Exists(now)
            ? recipe.Backbone with { Path = now, Cache = FeatureCache is { } cache ? Path.GetFullPath(cache) : recipe.Backbone.Cache }
            : throw new InputException($"The backbone of the run in {folder.Root} is not there: {now}. Say where it is now with --backbone, or put it into the run folder.");
    }

    /// <summary>The images of a recipe where they are now.</summary>
    /// <exception cref="InputException">The run's images are drawn, or a folder is named for a run that no preset with images made.</exception>
    public DataRecipe Apply(Recipe recipe)
    {
        if (recipe.Data.InDistribution is null && (InDistribution ?? Outliers ?? Folder ?? Root) is { } path)
        {
            throw new InputException($"The run was trained on the built-in images, which are drawn anew and lie nowhere, so they are not in {path}; leave that out.");
        }

        var data = Folder is null ? recipe.Data : Presets.InFolder(recipe, Folder).Data;
        return data with
        {
            InDistribution = FullPath(InDistribution) ?? data.InDistribution,
            Outliers = FullPath(Outliers) ?? data.Outliers,
            Root = FullPath(Root) ?? data.Root,
            OutOfDistribution = OutOfDistribution is { Count: > 0 } ? OutOfDistribution : data.OutOfDistribution,
        };

        static string? FullPath(string? path) => path is null ? null : Path.GetFullPath(path);
    }
}
