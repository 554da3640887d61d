using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// A step of Adam or of stochastic gradient descent for all tensors of a network, in one launch: a table in the device's memory says where each tensor, its
/// gradient and its moments are, and the rates of the step. <see cref="FusedUpdateReference"/> has the equations.
/// </summary>
/// <remarks>
/// Every operation is rounded as torch's on a CPU with fused multiply-add, in the same order, on every device: velocities and moments are those of
/// <c>torch.optim.SGD</c> and <c>Adam</c> there in every bit, and so is what SGD updates. What Adam updates is where torch's square root is rounded to nearest, as it
/// is here; that of a CPU's vector library is one unit beside it in one case of six. The table goes through an <see cref="UploadBuffer{T}"/>, so a step neither waits nor
/// allocates.
/// </remarks>
public sealed class FusedUpdate : IDisposable
{
    private readonly KernelDevice device;
    private readonly long[] lengths;
    private readonly UpdateRow[] rows;
    private readonly UploadBuffer<UpdateRow> table;
    private readonly DeviceBuffer<int> owners;
    private readonly LaunchShape shape;
    private Device.Kernel? adam;
    private Device.Kernel? sgd;

    /// <summary>Makes the table. The kernel of a rule is compiled at its first step.</summary>
    /// <param name="device">What they run on.</param>
    /// <param name="lengths">Elements of each tensor.</param>
    public FusedUpdate(KernelDevice device, IReadOnlyList<long> lengths)
    {
        this.device = device;
        this.lengths = [.. lengths];
        rows = new UpdateRow[lengths.Count];
        var blocks = new List<int>();
        for (var i = 0; i < rows.Length; i++)
        {
            rows[i] = new UpdateRow { Length = lengths[i], FirstBlock = blocks.Count };
            blocks.AddRange(Enumerable.Repeat(i, checked((int)((lengths[i] + FusedUpdateKernels.ElementsPerBlock - 1) / FusedUpdateKernels.ElementsPerBlock))));
        }

        table = device.AllocateUpload<UpdateRow>(rows.Length);
        owners = device.Allocate<int>([.. blocks]);
        shape = new LaunchShape(blocks.Count, device.IsSimulator ? 32 : FusedUpdateKernels.Threads);
    }

    /// <summary>One step of Adam.</summary>
    /// <param name="tensors">The tensors in the order of their lengths; each with both moments.</param>
    /// <param name="constants">What is the same for all of them and for all steps.</param>
    /// <exception cref="ArgumentException">Lengths do not fit.</exception>
    public void Adam(ReadOnlySpan<UpdatedTensor> tensors, AdamConstants constants)
    {
        Fill(tensors, moments: 2);
        if (shape.Columns > 0)
        {
            (adam ??= device.Load(FusedUpdateKernels.Adam)).Launch(
                shape, table.Vector, owners.Vector, (float)constants.WeightDecay, (float)constants.Beta1, (float)(1 - constants.Beta1),
                (float)constants.Beta2, (float)(1 - constants.Beta2), (float)constants.Epsilon);
        }
    }

    /// <summary>One step of stochastic gradient descent.</summary>
    /// <param name="tensors">The tensors in the order of their lengths; each with its velocity as the first moment where there is momentum.</param>
    /// <param name="constants">What is the same for all of them and for all steps.</param>
    /// <exception cref="ArgumentException">Lengths do not fit.</exception>
    public void Sgd(ReadOnlySpan<UpdatedTensor> tensors, SgdConstants constants)
    {
        Fill(tensors, constants.Momentum == 0 ? 0 : 1);
        if (shape.Columns > 0)
        {
            (sgd ??= device.Load(FusedUpdateKernels.Sgd)).Launch(shape, table.Vector, owners.Vector, (float)constants.WeightDecay, (float)constants.Momentum, constants.Nesterov ? 1 : 0);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        table.Dispose();
        owners.Dispose();
    }

    private void Fill(ReadOnlySpan<UpdatedTensor> tensors, int moments)
    {
        if (tensors.Length != rows.Length)
        {
            throw new ArgumentException($"There are {tensors.Length} tensors; the table has {rows.Length}.", nameof(tensors));
        }

        for (var i = 0; i < rows.Length; i++)
        {
            var tensor = tensors[i];
            var hasGradient = tensor.Gradient.Address != 0;
            Check(i, "elements", tensor.Values.Length, isNeeded: true);
            Check(i, "elements in its gradient", tensor.Gradient.Length, hasGradient);
            Check(i, "elements in its first moment", tensor.First.Length, moments > 0);
            Check(i, "elements in its second moment", tensor.Second.Length, moments > 1);
            Check(i, "elements in its copy", tensor.Copy.Length, tensor.Copy.Address != 0);
            rows[i] = rows[i] with
            {
                Values = tensor.Values.Address,
                Gradient = tensor.Gradient.Address,
                First = tensor.First.Address,
                Second = tensor.Second.Address,
                Copy = tensor.Copy.Address,
                Rate = tensor.Rate,
                Correction = tensor.Correction,
            };
        }

        table.Write(rows);
    }

    private void Check(int tensor, string what, long length, bool isNeeded)
    {
        if (isNeeded && length != lengths[tensor])
        {
            throw new ArgumentException($"Tensor {tensor} has {length} {what}; the table was made for {lengths[tensor]}.");
        }
    }
}

/// <summary>A tensor of a step, float32, and what belongs to it; all in the same order in memory.</summary>
/// <param name="Values">What is updated.</param>
/// <param name="Gradient">Its gradient; none where the tensor stays as it is.</param>
/// <param name="First">Adam: the mean of the gradient. SGD: the velocity, or none without momentum.</param>
/// <param name="Second">Adam: the mean of the gradient's square.</param>
/// <param name="Rate">Factor of what is added: minus the learning rate; Adam: that over 1 - beta1^t.</param>
/// <param name="Correction">Adam: the root of 1 - beta2^t.</param>
/// <param name="Copy">Receives the updated values, rounded to bfloat16; or none.</param>
public readonly record struct UpdatedTensor(
    DeviceVector<float> Values,
    DeviceVector<float> Gradient,
    DeviceVector<float> First,
    DeviceVector<float> Second,
    float Rate,
    float Correction = 1,
    DeviceVector<BFloat16> Copy = default);

/// <summary>What is the same for all tensors and steps of Adam.</summary>
/// <param name="WeightDecay">Factor of the values that is added to their gradient.</param>
/// <param name="Beta1">Decay of the mean of the gradient.</param>
/// <param name="Beta2">Decay of the mean of its square.</param>
/// <param name="Epsilon">Added to the root of the latter.</param>
public readonly record struct AdamConstants(double WeightDecay, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8);

/// <summary>What is the same for all tensors and steps of stochastic gradient descent.</summary>
/// <param name="WeightDecay">Factor of the values that is added to their gradient.</param>
/// <param name="Momentum">Factor of the velocity.</param>
/// <param name="Nesterov">Whether the step looks ahead along the velocity.</param>
public readonly record struct SgdConstants(double WeightDecay, double Momentum = 0.9, bool Nesterov = false);
