namespace Pascl.Training.Evaluation;

/// <summary>
/// How far stated probabilities are from what happens: images in <see cref="BinCount"/> bins of equal width by the probability of their
/// predicted class, bin b = (b/15, (b+1)/15], that is ceil(15 p) - 1 within 0 to 14. Sources: Naeini, Cooper and Hauskrecht, AAAI 2015; Guo
/// et al., ICML 2017.
/// </summary>
/// <param name="ExpectedCalibrationError">
/// ECE = sum_b (n_b / n) |mean probability - share correct|; <see cref="double.NaN"/> without images.
/// </param>
/// <param name="Images">Images in each bin, n_b.</param>
/// <param name="MeanProbability">Mean probability of each bin's images; NaN in an empty bin.</param>
/// <param name="Accuracy">Share of each bin's images classified correctly; NaN in an empty bin.</param>
public sealed record Calibration(double ExpectedCalibrationError, int[] Images, double[] MeanProbability, double[] Accuracy)
{
    /// <summary>Bins of a fifteenth each, as in Guo et al.</summary>
    public const int BinCount = 15;

    /// <summary>Bins the images and compares.</summary>
    /// <param name="probabilities">Probability of the predicted class of each image, from 0 to 1.</param>
    /// <param name="errors">Whether that class is wrong.</param>
    /// <exception cref="ArgumentException">The numbers differ, or a probability is not from 0 to 1.</exception>
    public static Calibration Compute(ReadOnlySpan<double> probabilities, ReadOnlySpan<bool> errors)
    {
        if (probabilities.Length != errors.Length)
        {
            throw new ArgumentException(
                $"There are {probabilities.Length} probabilities but {errors.Length} answers; there must be one per image.");
        }

        var (images, sums, correct) = (new int[BinCount], new double[BinCount], new int[BinCount]);
        for (var i = 0; i < probabilities.Length; i++)
        {
            if (!(probabilities[i] is >= 0 and <= 1))
            {
                throw new ArgumentException($"A probability is {probabilities[i]}; it must be from 0 to 1.");
            }

            var bin = Math.Clamp((int)Math.Ceiling(BinCount * probabilities[i]) - 1, 0, BinCount - 1);
            images[bin]++;
            sums[bin] += probabilities[i];
            correct[bin] += errors[i] ? 0 : 1;
        }

        // (n_b / n) |sum / n_b - correct / n_b| without the division by n_b, which is 0 in an empty bin.
        var gaps = sums.Zip(correct, (sum, right) => Math.Abs(sum - right)).Sum();
        return new(
            probabilities.Length == 0 ? double.NaN : gaps / probabilities.Length,
            images,
            [.. sums.Zip(images, (sum, count) => sum / count)],
            [.. correct.Zip(images, (right, count) => right / (double)count)]);
    }
}

/// <summary>Calibration of the class probabilities on all test images, and on those of the classes of each shot group.</summary>
/// <param name="Overall">All test images.</param>
/// <param name="Many">Test images of the many-shot classes, pooled.</param>
/// <param name="Medium">Test images of the medium-shot classes, pooled.</param>
/// <param name="Few">Test images of the few-shot classes, pooled.</param>
public sealed record CalibrationByGroup(Calibration Overall, Calibration Many, Calibration Medium, Calibration Few);
