using Pascl.Training.Data;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;

namespace Pascl.Training;

/// <summary>What ranks that train together must agree on: what they train, when they save or stop, and that their weights are the same. One rank agrees with itself.</summary>
internal sealed class RankAgreement(ProcessGroup ranks)
{
    /// <summary>Throws where ranks would train different things, before the first step, and not as a strange loss later.</summary>
    /// <exception cref="InputException">They would; the message names what differs, and two ranks.</exception>
    public void RequireSameWork(Recipe recipe, Lazy<DataFingerprint> fingerprint, RunPosition position, DualBranchNetwork model)
    {
        if (ranks.IsAlone)
        {
            return;
        }

        ranks.RequireSame("the precision", $"{recipe.Precision}", "Choose one that all processors have with --precision.");
        ranks.RequireSame("the images", string.Join(", ", fingerprint.Value.Sets), "Give every machine the same files, or a folder that they share.");
        ranks.RequireSame(
            "what is to be trained",
            $"step {position.Step} of epoch {position.Epoch + 1} of phase {position.Phase + 1} from the weights {WeightHash.Of(model)[..16]}",
            "Let --resume, --from and --weights name the same files on every machine.");
    }

    /// <summary>Throws where ranks have come to different weights.</summary>
    /// <exception cref="InputException">They have.</exception>
    public void RequireSameWeights(DualBranchNetwork model)
    {
        if (!ranks.IsAlone)
        {
            ranks.RequireSame("the weights", WeightHash.Of(model)[..16], "They computed differently, which is a defect of the program or of a processor; the last checkpoint is good.");
        }
    }

    /// <summary>What is asked of this rank or another: whatever one is asked for, all do, after the same step.</summary>
    public RunRequest Ask(bool isSaveDue, CancellationToken cancellation) =>
        (RunRequest)ranks.Largest((long)(cancellation.IsCancellationRequested ? RunRequest.Stop : isSaveDue ? RunRequest.Save : RunRequest.None));
}

/// <summary>What a run is asked for between two steps; what is more urgent is greater.</summary>
internal enum RunRequest
{
    /// <summary>To go on.</summary>
    None,

    /// <summary>To write a checkpoint.</summary>
    Save,

    /// <summary>To write one and stop.</summary>
    Stop,
}

/// <summary>What follows from a request.</summary>
internal static class RunRequests
{
    /// <summary>Ends the run where that was asked for; its checkpoint is written.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public static void ThrowIfStop(this RunRequest request)
    {
        if (request == RunRequest.Stop)
        {
            throw new OperationCanceledException("The run was asked to stop; its checkpoint is written.");
        }
    }
}
