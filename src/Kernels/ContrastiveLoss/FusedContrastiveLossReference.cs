namespace Pascl.Kernels;

/// <summary>
/// The partial and asymmetric contrastive loss of features and its gradient in double precision: <see cref="MaskedLossReference"/> of
/// <see cref="SimilarityReference"/>, the specification of every other implementation.
/// </summary>
/// <remarks>
/// Rows 0..M-1 are anchors with a class each, rows M..M+K-1 are outliers. With s_ij = x_i . x_j / temperature and L the loss of s, a row is anchor and
/// contrast at once:
/// <code>
/// dL/dx_i  = 1/temperature sum_j ( dL/ds_ij + dL/ds_ji ) x_j
/// </code>
/// </remarks>
public static class FusedContrastiveLossReference
{
    /// <summary>Computes the loss.</summary>
    /// <param name="rows">(M + K, width), row-major: the anchors, then the outliers.</param>
    /// <param name="width">Columns of a row.</param>
    /// <param name="labels">(M): the class of each anchor.</param>
    /// <param name="temperature">Divides the similarities; above 0.</param>
    /// <param name="classWeights">Weight by class; 1 for each class where it is empty.</param>
    /// <param name="share">Whose losses are summed; all anchors' where it is null.</param>
    public static double Forward(
        ReadOnlySpan<double> rows,
        int width,
        ReadOnlySpan<int> labels,
        double temperature,
        ReadOnlySpan<double> classWeights = default,
        AnchorShare? share = null)
    {
        var similarity = SimilarityReference.Forward(Anchors(rows, width, labels.Length), rows, width, temperature);
        return MaskedLossReference.Forward(similarity, rows.Length / width, labels, classWeights, share);
    }

    /// <summary>Computes the gradient of the loss with respect to the rows, (M + K, width); the arguments are those of <see cref="Forward"/>.</summary>
    public static double[] Backward(
        ReadOnlySpan<double> rows,
        int width,
        ReadOnlySpan<int> labels,
        double temperature,
        ReadOnlySpan<double> classWeights = default,
        AnchorShare? share = null)
    {
        var anchors = Anchors(rows, width, labels.Length);
        var similarity = SimilarityReference.Forward(anchors, rows, width, temperature);
        var similarityGradient = MaskedLossReference.Backward(similarity, rows.Length / width, labels, classWeights, share);
        var (anchorsGradient, gradient) = SimilarityReference.Backward(similarityGradient, anchors, rows, width, temperature);
        for (var i = 0; i < anchorsGradient.Length; i++)
        {
            gradient[i] += anchorsGradient[i];
        }

        return gradient;
    }

    /// <summary>Computes the loss of a whole batch, whose anchors are the rows of tail-class images.</summary>
    /// <param name="features">(2N + K, width), row-major: the first view of N images, their second view, and K outliers.</param>
    /// <param name="width">Columns of a row.</param>
    /// <param name="labels">(N): the images' classes.</param>
    /// <param name="isTailClass">(C): whether the class belongs to the tail; images of other classes take no part.</param>
    /// <param name="temperature">Divides the similarities; above 0.</param>
    /// <param name="classWeights">Weight by class; 1 for each class where it is empty.</param>
    /// <param name="share">Whose losses are summed; all anchors' where it is null.</param>
    public static double ForwardOfBatch(
        ReadOnlySpan<double> features,
        int width,
        ReadOnlySpan<int> labels,
        ReadOnlySpan<bool> isTailClass,
        double temperature,
        ReadOnlySpan<double> classWeights = default,
        AnchorShare? share = null)
    {
        var (_, rows, anchors) = Select(features, width, labels, isTailClass);
        return Forward(rows, width, anchors, temperature, classWeights, share);
    }

    /// <summary>
    /// Computes the gradient of the loss with respect to the features of a whole batch, (2N + K, width), 0 for images that take no part; the arguments are
    /// those of <see cref="ForwardOfBatch"/>.
    /// </summary>
    public static double[] BackwardOfBatch(
        ReadOnlySpan<double> features,
        int width,
        ReadOnlySpan<int> labels,
        ReadOnlySpan<bool> isTailClass,
        double temperature,
        ReadOnlySpan<double> classWeights = default,
        AnchorShare? share = null)
    {
        var (numbers, rows, anchors) = Select(features, width, labels, isTailClass);
        var selected = Backward(rows, width, anchors, temperature, classWeights, share);
        var gradient = new double[features.Length];
        for (var row = 0; row < numbers.Length; row++)
        {
            selected.AsSpan(row * width, width).CopyTo(gradient.AsSpan(numbers[row] * width, width));
        }

        return gradient;
    }

    // The rows that take part: their numbers in the batch, their values, and the anchors' classes.
    private static (int[] Numbers, double[] Rows, int[] Anchors) Select(
        ReadOnlySpan<double> features, int width, ReadOnlySpan<int> labels, ReadOnlySpan<bool> isTailClass)
    {
        List<int> numbers = [];
        List<double> rows = [];
        List<int> anchors = [];
        for (var number = 0; number < features.Length / width; number++)
        {
            var isOutlier = number >= 2 * labels.Length;
            if (isOutlier || isTailClass[labels[number % labels.Length]])
            {
                numbers.Add(number);
                rows.AddRange(features.Slice(number * width, width));
                anchors.AddRange(isOutlier ? [] : [labels[number % labels.Length]]);
            }
        }

        return ([.. numbers], [.. rows], [.. anchors]);
    }

    private static ReadOnlySpan<double> Anchors(ReadOnlySpan<double> rows, int width, int anchors) =>
        rows.Length % width == 0 && rows.Length / width >= anchors
            ? rows[..(anchors * width)]
            : throw new ArgumentException(
                $"There are {rows.Length} values in rows of {width} for {anchors} anchors; there must be at least {anchors} whole rows.");
}
