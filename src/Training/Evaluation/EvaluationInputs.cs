using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>Refuses what cannot be evaluated, before numbers are made of it.</summary>
internal static class EvaluationInputs
{
    public static void Check(ImageSet test, IReadOnlyList<ImageSet> outOfDistribution, EvaluationProtocol protocol)
    {
        var classCount = protocol.TrainingCounts.Count;
        if (protocol.TailClasses.Count != classCount)
        {
            throw new ArgumentException(
                $"There are {classCount} training counts but {protocol.TailClasses.Count} tail flags; there must be one per class.");
        }

        if (test.Count == 0)
        {
            throw new InputException($"The test set {test.Name} has no images; an evaluation needs at least one.");
        }

        var unclassified = test.Labels.IndexOf(ImageSet.NoClass);
        if (unclassified >= 0)
        {
            throw new InputException($"{test.Source(unclassified)} in the test set {test.Name} has no class; every test image needs one.");
        }

        if (outOfDistribution.GroupBy(set => set.Name).FirstOrDefault(sets => sets.Count() > 1) is { } same)
        {
            throw new InputException(
                $"Two out-of-distribution sets are called {same.Key}, so their numbers could not be told apart; name them: --ood NAME=PATH.");
        }

        CheckLabels(test, classCount);
        foreach (var set in outOfDistribution)
        {
            CheckLabels(set, classCount);
            if (!set.Labels.Contains(ImageSet.NoClass))
            {
                throw new InputException(
                    $"The out-of-distribution set {set.Name} has {set.Count} images and none that is out of distribution " +
                    $"(label {ImageSet.NoClass}); it needs at least one.");
            }
        }
    }

    public static void Check(ImageSet images, Predictions predictions)
    {
        foreach (var logits in (Logits[])[predictions.Main, predictions.Auxiliary])
        {
            if (logits.Count != images.Count)
            {
                throw new ArgumentException(
                    $"{images.Name} has {images.Count} images but {logits.Count} predictions; there must be one per image.");
            }

            for (var i = 0; i < logits.Count; i++)
            {
                foreach (var logit in logits[i])
                {
                    if (!float.IsFinite(logit))
                    {
                        throw new InputException(
                            $"The model gives a logit of {logit} for {images.Source(i)} in {images.Name}, so it cannot be evaluated. " +
                            "Its training diverged; train again with a lower learning rate.");
                    }
                }
            }
        }
    }

    private static void CheckLabels(ImageSet images, int classCount)
    {
        for (var i = 0; i < images.Count; i++)
        {
            if (images.Labels[i] >= classCount)
            {
                throw new InputException(
                    $"{images.Source(i)} in {images.Name} is labelled as class {images.Labels[i]}, " +
                    $"but the model knows the classes 0 to {classCount - 1}.");
            }
        }
    }
}
