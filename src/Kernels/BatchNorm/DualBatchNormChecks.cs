using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>What <see cref="DualBatchNorm{T}"/> asks of its arguments.</summary>
internal static class DualBatchNormChecks
{
    // Kernels count the values of a channel, and some more for the last step, in 32 bits.
    private const long MaximumValues = 1L << 30;

    // Two sums are written at once.
    private const int WorkspaceAlignment = 8;

    public static void Batch(BatchShape shape, params ReadOnlySpan<(string Name, long Length)> elements)
    {
        if (shape.Images < 0 || shape.Channels < 1 || shape.Pixels < 0 || shape.ValuesPerChannel > MaximumValues)
        {
            throw new ArgumentException($"The batch {shape} is not possible: it needs a channel, and no more than {MaximumValues} values in each.");
        }

        foreach (var (name, length) in elements)
        {
            Length(name, length, shape.Length, shape);
        }
    }

    public static void Variance(BatchShape shape, int inDistributionImages, bool tracksInDistribution)
    {
        if (inDistributionImages < 0 || inDistributionImages > shape.Images)
        {
            throw new ArgumentException($"{inDistributionImages} images cannot be in-distribution in a batch of {shape.Images}.");
        }

        if (shape.ValuesPerChannel < 2 || (tracksInDistribution && (long)inDistributionImages * shape.Pixels == 1))
        {
            var (images, pixels) = shape.ValuesPerChannel < 2 ? ("images", shape.ValuesPerChannel) : ("in-distribution images", 1);
            throw new ArgumentException(
                $"The {images} of the batch {shape} have {pixels} values per channel; training needs at least 2, because fewer have no variance.");
        }
    }

    public static void NotEmpty(BatchShape shape)
    {
        if (shape.Length == 0)
        {
            throw new ArgumentException($"The batch {shape} is empty, so there are no gradients.");
        }
    }

    public static void Channels(BatchShape shape, bool optional, params ReadOnlySpan<(string Name, DeviceVector<float> Values)> vectors)
    {
        foreach (var (name, values) in vectors)
        {
            Length(name, values.Length, optional && values.Length == 0 ? 0 : shape.Channels, shape);
        }
    }

    public static void Length(string name, long length, long expected, BatchShape shape)
    {
        if (length != expected)
        {
            throw new ArgumentException($"{name} has {length} elements but the batch is {shape}; it must have {expected}.");
        }
    }

    public static void Workspace(DeviceVector<float> workspace, long expected, BatchShape shape)
    {
        if (workspace.Length < expected)
        {
            throw new ArgumentException($"workspace has {workspace.Length} elements but the batch is {shape}; it must have {expected} or more.");
        }

        if (workspace.Address % WorkspaceAlignment != 0)
        {
            throw new ArgumentException($"workspace begins at address {workspace.Address}; it must be a multiple of {WorkspaceAlignment} bytes.");
        }
    }
}
