using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>What lies where in the state of <see cref="FusedContrastiveLoss"/>.</summary>
/// <param name="state">All of it, at a multiple of 16 bytes.</param>
/// <param name="images">N.</param>
internal readonly struct ContrastiveState(DeviceVector<float> state, int images)
{
    private const int FloatsOfFour = 4;

    /// <summary>One element: the number of images of tail classes.</summary>
    public DeviceVector<int> TailImages => new(state.Address, 1);

    /// <summary>One per anchor at most.</summary>
    public DeviceVector<ContrastiveRow> Rows => new(Start(FloatsOfFour), 2 * images);

    /// <summary>One per image.</summary>
    public DeviceVector<int> Order => new(Start(FloatsOfFour * (1 + (2L * images))), images);

    /// <summary>Working memory of the forward pass.</summary>
    public DeviceVector<ContrastiveSums> Sums => new(Start(WorkStart(images)), (state.Length - WorkStart(images)) / FloatsOfFour);

    /// <summary>Working memory of the backward pass, the same.</summary>
    public DeviceVector<Float4> Gradients => new(Start(WorkStart(images)), (state.Length - WorkStart(images)) / FloatsOfFour);

    /// <summary>Elements that are enough for any number of images of tail classes.</summary>
    public static long Length(int images, int outliers, int width, int blocks)
    {
        long work = 0;
        for (var tailImages = 0; tailImages <= images; tailImages++)
        {
            var forward = (long)ContrastivePlan.Forward(tailImages, outliers, blocks).Items * ContrastivePlan.Tile * FloatsOfFour;
            var backward = (long)ContrastivePlan.Backward(tailImages, outliers, width, blocks).Parts * ContrastivePlan.Tile * ContrastivePlan.Chunk;
            work = Math.Max(work, Math.Max(forward, backward));
        }

        return WorkStart(images) + work;
    }

    private static long WorkStart(int images) => FloatsOfFour * (1 + (2L * images) + ((images + FloatsOfFour - 1) / FloatsOfFour));

    private nint Start(long element) => state.Address + (nint)(element * sizeof(float));
}
