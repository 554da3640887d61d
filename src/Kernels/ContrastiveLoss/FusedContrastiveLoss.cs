using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// The partial and asymmetric contrastive loss and its gradient from the features of a whole batch, on a device: one launch each, nothing read back, the
/// similarities never stored. <see cref="FusedContrastiveLossReference"/> has the equations.
/// </summary>
/// <remarks>
/// Which images are of a tail class is found out on the device. The same input gives the same bits. Arithmetic is float32; rows that begin at multiples of
/// 16 bytes are read faster. It is made for the tens to hundreds of anchors of a training batch; for many thousands of rows tensor cores are faster. An object
/// serves one stream of work at a time.
/// </remarks>
public sealed class FusedContrastiveLoss : IDisposable
{
    // From here on every term of rows of unit length is a normal float32, with room for rows that are a little longer: exp(-2 / 0.03) = 1e-29.
    private const double LowestForFixedShift = 0.03;

    // So many that small batches have rows with several parts.
    private const int SimulatedBlocks = 12;

    // Tile pairs are counted in 32 bits.
    private const int MostRows = 1 << 19;

    private readonly float temperature;
    private readonly AnchorShare share;
    private readonly int blocks;
    private readonly Kernel forward;
    private readonly Kernel backward;
    private readonly DeviceBuffer<int> tickets;

    // The last batch's, as each step asks several times.
    private (int Images, int Outliers, int Width, long Length) lastState;

    /// <summary>Compiles the kernels.</summary>
    /// <param name="device">What they run on.</param>
    /// <param name="temperature">Divides the similarities; above 0.</param>
    /// <param name="variant">
    /// How exponents are shifted. <see cref="FusedContrastiveLossVariant.FixedShift"/> relies on the caller's rows being of unit length; nothing checks it.
    /// </param>
    /// <param name="share">Whose losses are summed, where several processes have the whole batch each; all anchors' where it is null.</param>
    /// <exception cref="ArgumentOutOfRangeException">The temperature is not above 0, or there is no such share.</exception>
    public FusedContrastiveLoss(
        KernelDevice device, double temperature, FusedContrastiveLossVariant variant = FusedContrastiveLossVariant.Automatic, AnchorShare? share = null)
        : this(device, temperature, variant, share ?? AnchorShare.Whole, device.IsSimulator ? SimulatedBlocks : 2 * device.Multiprocessors)
    {
    }

    /// <summary>The same with so many blocks at most, so that tests choose how many tiles an item has.</summary>
    internal FusedContrastiveLoss(KernelDevice device, double temperature, FusedContrastiveLossVariant variant, AnchorShare share, int blocks)
    {
        if (!(temperature > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "The temperature must be above 0.");
        }

        if (share.Index < 0 || share.Index >= share.Count || share.Count > AnchorShare.Most)
        {
            throw new ArgumentOutOfRangeException(
                nameof(share), share, $"There must be 1 to {AnchorShare.Most} shares of the anchors, and the share must be one of them, from 0 on.");
        }

        this.temperature = (float)temperature;
        this.share = share;
        Variant = variant switch
        {
            FusedContrastiveLossVariant.Automatic when temperature < LowestForFixedShift => FusedContrastiveLossVariant.RowMaximum,
            FusedContrastiveLossVariant.Automatic => FusedContrastiveLossVariant.FixedShift,
            FusedContrastiveLossVariant.FixedShift or FusedContrastiveLossVariant.RowMaximum => variant,
            _ => throw new ArgumentOutOfRangeException(nameof(variant), variant, "This is not a variant."),
        };
        (forward, backward) = Variant == FusedContrastiveLossVariant.FixedShift
            ? (device.Load(FusedContrastiveLossKernels.Forward<FixedShift>), device.Load(FusedContrastiveLossKernels.Backward<FixedShift>))
            : (device.Load(FusedContrastiveLossKernels.Forward<RowMaximum>), device.Load(FusedContrastiveLossKernels.Backward<RowMaximum>));

        this.blocks = blocks;
        tickets = device.Allocate<int>(new int[2 * blocks]);
    }

    /// <summary>The variant in use, never <see cref="FusedContrastiveLossVariant.Automatic"/>.</summary>
    public FusedContrastiveLossVariant Variant { get; }

    /// <summary>How many elements of state a batch needs from its forward pass to its backward pass.</summary>
    /// <param name="images">N, the images with a label; each has two rows.</param>
    /// <param name="outliers">K, the rows without.</param>
    /// <param name="width">Columns of a row.</param>
    public long StateLength(int images, int outliers, int width)
    {
        if ((lastState.Images, lastState.Outliers, lastState.Width) != (images, outliers, width))
        {
            lastState = (images, outliers, width, ContrastiveState.Length(images, outliers, width, share, blocks));
        }

        return lastState.Length;
    }

    /// <summary>Computes the loss.</summary>
    /// <param name="features">(2N + K, width), rows of unit length: the first view of N images, their second view, and K outliers.</param>
    /// <param name="labels">(N): the images' classes, from 0 to C - 1.</param>
    /// <param name="isTailClass">(C): 1 for classes of the tail, whose images are anchors; 0 for the others, which take no part.</param>
    /// <param name="classWeights">(C): the weight of a class's anchors.</param>
    /// <param name="loss">One element, receives the loss, or this share's part of it; 0 where no image is of a tail class.</param>
    /// <param name="state">At least <see cref="StateLength"/> elements at a multiple of 16 bytes, receives what <see cref="Backward"/> needs.</param>
    /// <exception cref="ArgumentException">Shapes do not fit; the message names both.</exception>
    public void Forward(
        DeviceMatrix<float> features,
        DeviceVector<long> labels,
        DeviceVector<byte> isTailClass,
        DeviceVector<float> classWeights,
        DeviceVector<float> loss,
        DeviceVector<float> state)
    {
        var parts = Part(features, labels.Length, state);
        Check(loss.Length == 1, $"loss has {loss.Length} elements; it must have 1.");
        Check(
            isTailClass.Length == classWeights.Length,
            $"isTailClass has {isTailClass.Length} elements but classWeights has {classWeights.Length}; both must have one per class.");
        var images = (int)labels.Length;
        var outliers = features.Rows - (2 * images);
        var most = ContrastivePlan.Forward(images, outliers, share, blocks);
        forward.Launch(
            new LaunchShape(Math.Max(1, Math.Min(blocks, most.Items)), FusedContrastiveLossKernels.Threads),
            features,
            features.RowStride,
            features.Columns,
            IsAligned(features),
            labels,
            isTailClass,
            classWeights,
            outliers,
            share.Index,
            share.Count,
            Scale,
            blocks,
            loss,
            parts.TailImages,
            parts.Orders,
            parts.Rows,
            parts.Sums,
            tickets.Vector);
    }

    /// <summary>Computes the gradient with respect to all features, of the batch whose state it is given: that of the loss, or of this share's part of it.</summary>
    /// <param name="features">(2N + K, width): the same as in the forward pass.</param>
    /// <param name="images">N.</param>
    /// <param name="upstream">One element: the gradient with respect to the loss.</param>
    /// <param name="state">From the forward pass; its second half serves as working memory.</param>
    /// <param name="gradient">(2N + K, width), receives the gradient; 0 for images whose class is not of the tail.</param>
    /// <exception cref="ArgumentException">Shapes do not fit; the message names both.</exception>
    public void Backward(DeviceMatrix<float> features, int images, DeviceVector<float> upstream, DeviceVector<float> state, DeviceMatrix<float> gradient)
    {
        var parts = Part(features, images, state);
        Check(upstream.Length == 1, $"upstream has {upstream.Length} elements; it must have 1.");
        Check(
            gradient.Rows == features.Rows && gradient.Columns == features.Columns,
            $"gradient is {gradient} but features is {features}; both must have the same shape.");
        if (features.Rows == 0)
        {
            return;
        }

        var outliers = features.Rows - (2 * images);
        var most = ContrastivePlan.Backward(images, outliers, features.Columns, share, blocks);
        backward.Launch(
            new LaunchShape(Math.Max(1, Math.Min(blocks, most.Items)), FusedContrastiveLossKernels.Threads),
            features,
            features.RowStride,
            features.Columns,
            IsAligned(features),
            outliers,
            share.Index,
            share.Count,
            Scale,
            1 / temperature,
            blocks,
            upstream,
            parts.TailImages,
            parts.Order,
            parts.Rows,
            parts.Gradients,
            tickets.Vector,
            gradient,
            gradient.RowStride,
            IsAligned(gradient));
    }

    /// <inheritdoc/>
    public void Dispose() => tickets.Dispose();

    // log2(e) / temperature
    private float Scale => (float)(1 / (Math.Log(2) * temperature));

    private static int IsAligned(DeviceMatrix<float> matrix) => matrix.IsAligned ? 1 : 0;

    private static void Check(bool holds, string message)
    {
        if (!holds)
        {
            throw new ArgumentException(message);
        }
    }

    private ContrastiveState Part(DeviceMatrix<float> features, long images, DeviceVector<float> state)
    {
        Check(features.Rows <= MostRows, $"features is {features}; there may be at most {MostRows} rows.");
        Check(features.Columns > 0, $"features is {features}; it must have columns.");
        Check(
            images >= 0 && features.Rows >= 2 * images,
            $"features is {features} for {images} images; it must have two rows for each image, and one for each outlier.");
        var needed = StateLength((int)images, features.Rows - (2 * (int)images), features.Columns);
        Check(state.Length >= needed, $"state has {state.Length} elements; for {images} images and features {features} it must have {needed}.");
        Check(state.Address % 16 == 0, "state must begin at a multiple of 16 bytes.");
        return new ContrastiveState(state, (int)images, blocks);
    }
}

/// <summary>By what <see cref="FusedContrastiveLoss"/> shifts exponents before it takes exponentials, so that they neither overflow nor all vanish.</summary>
public enum FusedContrastiveLossVariant
{
    /// <summary><see cref="FixedShift"/> from a temperature of 0.03 on, <see cref="RowMaximum"/> below. It relies on rows of unit length.</summary>
    Automatic,

    /// <summary>
    /// By 1 / temperature, the largest value that rows of unit length allow. Sums of exponentials are plain sums. The terms reach down to
    /// exp(-2 / temperature), which is a normal float32 for temperatures above 0.023.
    /// </summary>
    FixedShift,

    /// <summary>By the largest exponent of each row, found on the way. For any temperature and any length of rows.</summary>
    RowMaximum,
}

/// <summary>
/// One of several shares of a batch's M anchors: those from floor(M s / S) up to floor(M (s + 1) / S), in the order of the batch. A share's loss is the sum over its anchors
/// divided by M, so the losses of all shares, and their gradients, add up to those of the batch.
/// </summary>
/// <param name="Index">s, from 0.</param>
/// <param name="Count">S, up to 65535; the shares may be more than the anchors.</param>
public readonly record struct AnchorShare(int Index, int Count)
{
    internal const int Most = 65535;

    /// <summary>All anchors.</summary>
    public static AnchorShare Whole => new(0, 1);

    /// <summary>The first of the share's anchors, or of the next share's.</summary>
    /// <param name="anchors">M.</param>
    /// <param name="next">0 or 1: which.</param>
    internal int Start(int anchors, int next = 0) => Shares.Start(anchors, Index + next, Count);
}

/// <summary>
/// How the blocks share the pairs of rows. The host does not know how many images are of a tail class, so each block makes the plan for itself; the host
/// uses the same code to reserve memory for the worst.
/// </summary>
/// <remarks>
/// Rows that take part stand in one line: the anchors of this share, those of the shares behind it and before it, then the outliers. Only the first of them are anchors
/// here; the others are contrasts. Tiles are 32 rows; an item is a tile of rows with a run of tiles of contrasts, and, in the backward pass, one chunk of 128 columns
/// of the gradient. Where a tile of rows has several items, each writes its part, and the last sums the parts.
/// </remarks>
internal readonly struct ContrastivePlan
{
    /// <summary>Rows of a tile.</summary>
    public const int Tile = 32;

    /// <summary>Columns of a chunk.</summary>
    public const int Chunk = 128;

    /// <summary>Rows that are anchors, of any share.</summary>
    public readonly int AllAnchors;

    /// <summary>Which of them is the first of this share.</summary>
    public readonly int FirstAnchor;

    /// <summary>Rows that are anchors of this share.</summary>
    public readonly int Anchors;

    /// <summary>Rows that are anchors or outliers.</summary>
    public readonly int Rows;

    /// <summary>Chunks of a row; 1 in the forward pass, which has none.</summary>
    public readonly int Chunks;

    /// <summary>Tiles of contrasts of an item; the last of a row's items may have fewer.</summary>
    public readonly int TilesPerItem;

    /// <summary>Items of a tile of anchors, per chunk.</summary>
    public readonly int AnchorSplits;

    /// <summary>Items of a tile of contrasts that are no anchors here, per chunk.</summary>
    public readonly int OtherSplits;

    /// <summary>Items of the anchors; those of the others follow.</summary>
    public readonly int AnchorItems;

    /// <summary>Items of the others; none in the forward pass.</summary>
    public readonly int OtherItems;

    private ContrastivePlan(int tailImages, int outliers, AnchorShare share, int chunks, bool othersAreRows, int blocks)
    {
        AllAnchors = 2 * tailImages;
        FirstAnchor = share.Start(AllAnchors);
        Anchors = share.Start(AllAnchors, next: 1) - FirstAnchor;
        Rows = AllAnchors + outliers;
        Chunks = chunks;
        var anchorTiles = Tiles(Anchors);
        var otherTiles = othersAreRows ? Tiles(Rows - Anchors) : 0;
        var pairs = (anchorTiles * Tiles(Rows)) + (otherTiles * anchorTiles);
        var blocksPerChunk = Math.Max(1, blocks / chunks);
        TilesPerItem = Math.Max(1, (pairs + blocksPerChunk - 1) / blocksPerChunk);
        AnchorSplits = Splits(Tiles(Rows), TilesPerItem);
        OtherSplits = Splits(anchorTiles, TilesPerItem);
        AnchorItems = anchorTiles * AnchorSplits * chunks;
        OtherItems = otherTiles * OtherSplits * chunks;
    }

    /// <summary>Items of all.</summary>
    public int Items => AnchorItems + OtherItems;

    /// <summary>Items that write parts, for the anchors.</summary>
    public int AnchorParts => AnchorSplits > 1 ? AnchorItems : 0;

    /// <summary>Items that write parts.</summary>
    public int Parts => AnchorParts + (OtherSplits > 1 ? OtherItems : 0);

    /// <summary>The forward pass: anchors with all contrasts.</summary>
    public static ContrastivePlan Forward(int tailImages, int outliers, AnchorShare share, int blocks) =>
        new(tailImages, outliers, share, chunks: 1, othersAreRows: false, blocks);

    /// <summary>The backward pass: anchors with all contrasts, and the others with the anchors.</summary>
    public static ContrastivePlan Backward(int tailImages, int outliers, int width, AnchorShare share, int blocks) =>
        new(tailImages, outliers, share, Chunked(width), othersAreRows: true, blocks);

    /// <summary>Number of chunks of so many columns.</summary>
    public static int Chunked(int width) => (width + Chunk - 1) / Chunk;

    /// <summary>Number of tiles of so many rows.</summary>
    public static int Tiles(int rows) => (rows + Tile - 1) / Tile;

    private static int Splits(int tiles, int tilesPerItem) => Math.Max(1, (tiles + tilesPerItem - 1) / tilesPerItem);
}
