using System.Diagnostics;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Interop;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using TorchSharp;

namespace Pascl.Training;

/// <summary>
/// The training loop: batch, model, loss, optimiser, checkpoint; the same for both phases. A checkpoint is written after every epoch and when the run is
/// cancelled, and a run continued from one gives the same losses and weights bit for bit (on the same number of torch threads).
/// </summary>
public sealed class Trainer : IDisposable
{
    /// <summary>Steps between two readings of the losses; between them the host never waits for the device.</summary>
    public const int StepsPerReport = 10;

    private readonly ComputeDevice device;
    private readonly TrainingData data;
    private readonly RunFolder folder;
    private readonly TrainingPhase[] phases;
    private readonly BestEpoch best;
    private readonly List<EpochRecord> history = [];
    private readonly Lazy<DataFingerprint> fingerprint;
    private readonly RankAgreement ranks = new(ProcessGroup.Current);
    private RunPosition position;
    private Checkpoint? resumed;
    private ScoreThreshold? threshold;
    private long lastSave = Stopwatch.GetTimestamp();
    private UnfinishedEpoch? unfinished;

    /// <summary>Prepares a run from its beginning.</summary>
    public Trainer(Recipe recipe, TrainingData data, RunFolder folder)
    {
        (this.data, this.folder) = (data, folder);
        PrepareTorch(recipe);
        device = ComputeDevice.Open(recipe.Device, recipe.Backend);
        try
        {
            phases = Phases(recipe, data, device);
            best = new BestEpoch(data.Validation, folder);
            Model = CreateModel(recipe, data.Training.ClassCount, device);
            Recipe = recipe with { Precision = Model.Precision, Backbone = (Model as FrozenBackboneNetwork)?.Backbone ?? recipe.Backbone };
            fingerprint = new(() => DataFingerprint.Of(data, Recipe.Data.Place, Recipe.SplitSeed));
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>What is run: the given recipe with the precision that this machine chose, so that it can be repeated and continued elsewhere.</summary>
    public Recipe Recipe { get; }

    /// <summary>Whether <see cref="Run"/> begins with <see cref="CheckConvolutions"/>.</summary>
    public bool ChecksConvolutions { get; init; } = true;

    /// <summary>
    /// Writes the page of a run into its folder after checkpoints and says whether that was possible; null for no page. The program gives it, because a page is drawn by a
    /// library that a user of the package does not have.
    /// </summary>
    internal Func<RunFolder, bool>? PageWriter { get; init; }

    /// <summary>What <see cref="CheckConvolutions"/> found; null before it.</summary>
    public ConvolutionReport? Convolutions { get; private set; }

    /// <summary>What tells its images from others.</summary>
    public DataFingerprint Fingerprint => fingerprint.Value;

    /// <summary>Longest time between two checkpoints; one is written after every epoch in any case.</summary>
    public TimeSpan CheckpointInterval { get; init; } = UsualCheckpointInterval;

    /// <summary>The interval where none is asked for: what a power cut costs.</summary>
    public static TimeSpan UsualCheckpointInterval { get; } = TimeSpan.FromMinutes(10);

    /// <summary>The network being trained.</summary>
    public DualBranchNetwork Model { get; }

    /// <summary>Where it is trained, for people: <c>cuda:0 (NVIDIA H200) with ILGPU kernels</c>.</summary>
    public string Device => device.ToString();

    /// <summary>The finished epochs of both phases.</summary>
    public IReadOnlyList<EpochRecord> History => history;

    /// <summary>Whether a resumed run had taken all of its steps already, so that <see cref="Run"/> takes none.</summary>
    public bool IsFinished => position.Phase == phases.Length || (position.Phase == phases.Length - 1
        && (position.Epoch >= phases[^1].Settings.Epochs || EarlyStopping.IsOver(history, phases[^1].Name, Recipe.Patience)));

    /// <summary>The network of a recipe with its initial weights, on a device.</summary>
    public static DualBranchNetwork CreateModel(Recipe recipe, int classCount, ComputeDevice device)
    {
        var precision = recipe.Precision == Precision.Auto && device.Torch.type == DeviceType.CUDA
            ? device.MultipliesBFloat16 ? Precision.BFloat16 : Precision.Float32
            : recipe.Precision;
        var head = MethodDefinition.Find(recipe.Method).Head(recipe, classCount);
        var settings = new NetworkSettings(head, recipe.Width, (ulong)recipe.Seed, precision, device.Kernels) { Backbone = recipe.Backbone with { ImageSize = recipe.ImageSize } };
        var model = NetworkDefinition.Find(recipe.Network).Create(settings);
        model.to(device.Torch);
        ChannelsLast.Convert(model);
        return model;
    }

    /// <summary>Checks that the images are enough for every phase's batches and that its schedule fits, before anything is written.</summary>
    /// <exception cref="InputException">They are not; the message says the numbers.</exception>
    public static void Check(Recipe recipe, TrainingData data)
    {
        using var device = ComputeDevice.Open(recipe.Device, recipe.Backend);
        foreach (var phase in Phases(recipe, data, device))
        {
            using var loader = new BatchLoader(data.Training, data.Outliers, phase.Batches);
            if (phase.Settings.Epochs > 0)
            {
                phase.Settings.Schedule.Check(loader.StepsPerEpoch, phase.Settings.Epochs);
            }
        }
    }

    /// <summary>Prepares to continue a run, which stays open until <see cref="Run"/> has begun.</summary>
    /// <exception cref="InputException">The checkpoint is damaged or belongs to other data or another network.</exception>
    public void Resume(Run run)
    {
        var info = run.Info;
        run.RequireItsImages(data);
        run.Checkpoint.LoadInto(Model);
        var phase = Array.FindIndex(phases, p => p.Name == info.Phase);
        if (phase < 0)
        {
            throw new InputException(
                $"{run.Folder.Checkpoint} stands in the phase {info.Phase}, which this program does not know; "
                + $"it has {string.Join(" and ", phases.Select(p => p.Name))}. "
                + "Use the version of Pascl that wrote it.");
        }

        using var loader = TrainingSteps.NewLoader(phases[phase], data, device);
        var stored = RunHistory.FromJson(info.History, run.Folder.Checkpoint);
        history.AddRange(stored.Epochs);
        unfinished = stored.Unfinished;
        var step = info.Step - ((long)info.Epoch * loader.StepsPerEpoch);
        if (info.Epoch < 0 || step < 0 || step > loader.StepsPerEpoch)
        {
            throw new InputException(
                $"{run.Folder.Checkpoint} stands at step {info.Step} after {info.Epoch} epochs of {loader.StepsPerEpoch} steps, which cannot be; it is "
                + "damaged, or its batch size was changed.");
        }

        position = new RunPosition(phase, info.Epoch, (int)step);
        resumed = run.Checkpoint;

        // That of these weights; the first step makes others.
        threshold = info.Threshold;
    }

    /// <summary>
    /// Compares every convolution of what is left of the run with double precision on this machine, and lets those that are wrong be computed another way. Done once.
    /// </summary>
    /// <exception cref="InputException">A convolution is wrong in every way.</exception>
    public ConvolutionReport CheckConvolutions()
    {
        if (Convolutions is null)
        {
            using var mark = folder.Mark("the check of its convolutions");

            // Each convolution takes and frees hundreds of megabytes.
            FreedMemory.Keep();
            var training = phases[position.Phase..].Where(phase => phase.Settings.Epochs > 0).Select(phase => phase.Convolutions);
            var evaluation = ConvolutionUse.Evaluation([data.Test, .. data.OutOfDistribution, .. data.Validation is { } held ? [held] : Array.Empty<ImageSet>()], Predictions.UsualBatchSize);
            Convolutions = ConvolutionCheck.Run(Model, data.Training.Height, data.Training.Width, [.. training, .. evaluation]);
        }

        return Convolutions;
    }

    /// <summary>Runs what is left of both phases.</summary>
    /// <param name="display">Told every <see cref="StepsPerReport"/> steps.</param>
    /// <param name="cancellation">Ends the run after the current step, with a checkpoint.</param>
    /// <exception cref="InputException">A loss stopped being finite, or a file could not be written; the last good checkpoint stays.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled; its checkpoint is saved.</exception>
    public void Run(IProgress<StepReport>? display = null, CancellationToken cancellation = default)
    {
        ranks.RequireSameWork(Recipe, fingerprint, position, Model);
        if (ChecksConvolutions)
        {
            CheckConvolutions();
        }

        using var journal = new RunJournal(folder, resumed?.Info.LogLength ?? 0, display, PageWriter);
        journal.WritePage();
        for (; position.Phase < phases.Length; position = position.NextPhase)
        {
            RunPhase(phases[position.Phase], journal, cancellation);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        device.Dispose();
    }

    /// <summary>Gives torch the recipe's threads and seed.</summary>
    internal static void PrepareTorch(Recipe recipe)
    {
        if (recipe.Threads is { } threads)
        {
            torch.set_num_threads(threads);
        }

        torch.manual_seed(recipe.Seed);
    }

    /// <summary>Both phases of a recipe, in their order.</summary>
    internal static TrainingPhase[] Phases(Recipe recipe, TrainingData data, ComputeDevice device) =>
        [TrainingPhase.Representation(recipe, data, device), TrainingPhase.AuxiliaryBranch(recipe, data, device)];

    private void RunPhase(TrainingPhase phase, RunJournal journal, CancellationToken cancellation)
    {
        // A checkpoint holds what its phase was entered with, even before the first step: weights that were finetuned elsewhere must stay.
        if (position.IsPhaseStart && resumed is null)
        {
            phase.Enter(Model);
        }

        using var steps = new TrainingSteps(phase, Model, data, device);
        resumed?.LoadInto(steps.Optimiser);
        if (steps.Average is { } average)
        {
            resumed?.LoadInto(average);
        }

        resumed?.RestoreRandomState();
        resumed = null;

        // A native library that aborts does so in the first step of a phase; the mark says then where the process ended.
        using var mark = folder.Mark($"the first step of its {phase.Name} phase");
        while (position.Epoch < phase.Settings.Epochs && !EarlyStopping.IsOver(history, phase.Name, Recipe.Patience))
        {
            RunEpoch(steps, journal, mark, cancellation);
            ranks.Ask(isSaveDue: false, cancellation).ThrowIfStop();
        }

        // The checkpoint holds what the phase ends with: the average of the weights, the best epoch's, or in a phase without epochs what it began with.
        steps.Average?.Keep();
        best.Restore(phase.Name, Model);
        phase.Leave(Model);
        Save(steps, journal, null, isOver: true);
    }

    private void RunEpoch(TrainingSteps steps, RunJournal journal, IDisposable mark, CancellationToken cancellation)
    {
        using var sums = new LossSums(steps.Objective.TermNames.Count, unfinished, device.Torch);
        unfinished = null;
        journal.RestartClock(steps.WaitTime);
        foreach (var images in steps.Epoch(position.Epoch, position.Step, sums))
        {
            mark.Dispose();
            threshold = null;
            journal.Count(images);
            position = position with { Step = position.Step + 1 };
            var isLast = position.Step == steps.PerEpoch;
            if (isLast || position.Step % StepsPerReport == 0)
            {
                Report(steps, sums, journal);
            }

            if (!isLast && ranks.Ask(Stopwatch.GetElapsedTime(lastSave) >= CheckpointInterval, cancellation) is var asked and not RunRequest.None)
            {
                RequireFinite(steps.Phase, sums.EpochMeans(position.Step));
                Save(steps, journal, sums.Interrupt());
                asked.ThrowIfStop();
            }
        }

        FinishEpoch(steps, journal, sums.EpochMeans(steps.PerEpoch));
    }

    private void Report(TrainingSteps steps, LossSums sums, RunJournal journal)
    {
        var means = sums.MeansSinceReport(position.Step);
        var phase = steps.Phase;
        RequireFinite(phase, means);
        var report = new StepReport(
            phase.Name, position.Epoch + 1, phase.Settings.Epochs, position.Step, steps.PerEpoch, steps.Objective.Named(means), steps.Optimiser.LearningRate,
            ImagesPerSecond: 0, Seconds: 0, ResidentBytes: 0);
        journal.Write(report, steps.WaitTime);
    }

    private void FinishEpoch(TrainingSteps steps, RunJournal journal, double[] means)
    {
        var phase = steps.Phase;
        using (steps.Average?.InPlaceOfWeights())
        {
            history.Add(new EpochRecord(
                phase.Name, position.Epoch + 1, steps.Objective.Named(means), steps.Optimiser.LearningRate, best.Accuracy(Model, phase.Branch)));
            position = position.NextEpoch;
            best.Keep(history, Info(steps, journal, null), Model);
        }

        Save(steps, journal, null);
        journal.WritePage();
    }

    // Whatever opens the file sees the average where there is one; only resuming reads the weights beside it.
    private void Save(TrainingSteps steps, RunJournal journal, UnfinishedEpoch? interrupted, bool isOver = false)
    {
        RequireFiniteWeights(steps.Phase);
        ranks.RequireSameWeights(Model);
        var average = isOver ? null : steps.Average;
        using var exchanged = average?.InPlaceOfWeights();
        if (folder.IsWritten)
        {
            Checkpoint.Save(folder.Checkpoint, Info(steps, journal, interrupted), Model, steps.Optimiser, average);
        }

        lastSave = Stopwatch.GetTimestamp();
    }

    private CheckpointInfo Info(TrainingSteps steps, RunJournal journal, UnfinishedEpoch? interrupted) => new(
        steps.Phase.Name,
        position.Epoch,
        ((long)position.Epoch * steps.PerEpoch) + position.Step,
        RecipeFile.Write(Recipe),
        new RunHistory(history, interrupted).ToJson(),
        data.Training.ClassNames,
        data.Training.CountPerClass(),
        journal.LogLength,
        threshold,
        data.Training.Height,
        fingerprint.Value)
    {
        Geometry = Recipe.Input.Geometry,
    };

    private void RequireFinite(TrainingPhase phase, double[] means)
    {
        if (!means.All(double.IsFinite))
        {
            throw Diverged(phase, "The loss");
        }
    }

    // A loss may stay finite while the weights have grown beyond use, so a good checkpoint is not replaced by its loss alone.
    private void RequireFiniteWeights(TrainingPhase phase)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        foreach (var (name, tensor) in Model.state_dict())
        {
            if (tensor.is_floating_point() && tensor.numel() > 0 && !float.IsFinite(tensor.detach().to(torch.float32).square().sum().item<float>()))
            {
                throw Diverged(phase, $"The sum of the squares of {name}");
            }
        }
    }

    private InputException Diverged(TrainingPhase phase, string what)
    {
        var saved = File.Exists(folder.Checkpoint) ? $"the last good checkpoint is kept in {folder.Root}" : "there is no checkpoint yet";
        return new InputException(
            $"{what} stopped being finite before step {position.Step} of epoch {position.Epoch + 1} of the {phase.Name} phase; {saved}. " +
            $"A smaller learning rate than {phase.Settings.Optimiser.LearningRate} or --precision fp32 may help.");
    }
}
