using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Interop;

public sealed class TensorMemoryTests
{
    private static readonly float[] Values = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    private static KernelDevice Device => Kernels.Devices.Get("simulator");

    [Test]
    public void a_matrix_is_the_tensors_own_memory()
    {
        using var scope = NewDisposeScope();
        var tensor = arange(12, ScalarType.Float32).reshape(4, 3);
        var matrix = TensorMemory.Matrix<float>(tensor, Device);
        Assert.That(Read(matrix), Is.EqualTo(Values));
        tensor[1, 1] = 40;
        Assert.That(Read(matrix)[4], Is.EqualTo(40));
    }

    [Test]
    public void a_part_of_a_matrix_starts_at_its_own_offset_and_keeps_the_stride()
    {
        using var scope = NewDisposeScope();
        var matrix = TensorMemory.Matrix<float>(arange(12, ScalarType.Float32).reshape(4, 3).narrow(0, 1, 2).narrow(1, 1, 2), Device);
        Assert.That((matrix.Rows, matrix.Columns, matrix.RowStride), Is.EqualTo((2, 2, 3)));
        Assert.That(Read(matrix), Is.EqualTo(Values[4..9]));
    }

    [Test]
    public void types_of_kernels_are_types_of_tensors()
    {
        using var scope = NewDisposeScope();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(TensorMemory.Vector<int>(ones(3, ScalarType.Int32), Device).Length, Is.EqualTo(3));
            Assert.That(TensorMemory.Vector<long>(ones(3, ScalarType.Int64), Device).Length, Is.EqualTo(3));
            Assert.That(TensorMemory.Vector<ILGPU.Half>(ones(3, ScalarType.Float16), Device).Length, Is.EqualTo(3));
            Assert.That(TensorMemory.Vector<ushort>(ones(3, ScalarType.BFloat16), Device).Length, Is.EqualTo(3));
            Assert.That(TensorMemory.Vector<BFloat16>(ones(3, ScalarType.BFloat16), Device).Length, Is.EqualTo(3));
            Assert.That(TensorMemory.Vector<byte>(ones(3, ScalarType.Byte), Device).Length, Is.EqualTo(3));
            Assert.That(TensorMemory.Vector<byte>(ones(3, ScalarType.Bool), Device).Length, Is.EqualTo(3));
            Assert.That(TensorMemory.Vector<float>(tensor(3f), Device).Length, Is.EqualTo(1));
            Assert.That(TensorMemory.Elements<float>(ones(2, 3, 4, 5), Device).Length, Is.EqualTo(120));
            Assert.That(TensorMemory.Matrix<float>(ones(0, 4), Device).Rows, Is.Zero);
        }
    }

    [Test]
    public void a_tensor_that_kernels_would_misread_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        var features = arange(12, ScalarType.Float32).reshape(4, 3);
        var doubles = features.to(ScalarType.Float64);
        var turned = features.t();
        var repeated = features[0].expand(4, 3);
        using (Assert.EnterMultipleScope())
        {
            Refused("doubles is a Float64 tensor (4, 3) with strides (3, 1) on cpu; it must be Float32.", () => TensorMemory.Matrix<float>(doubles, Device));
            Refused("it must be a vector.", () => TensorMemory.Vector<float>(features, Device));
            Refused("(1, 3) on cpu; it must be a matrix whose rows are contiguous.", () => TensorMemory.Matrix<float>(turned, Device));
            Refused("it must be a matrix whose rows are contiguous.", () => TensorMemory.Matrix<float>(repeated, Device));
            Refused("it must be contiguous.", () => TensorMemory.Elements<float>(turned, Device));
            Refused("it must be Int64.", () => TensorMemory.Vector<long>(features[0], Device));
        }

        static void Refused(string message, Action call) => Assert.That(call, Throws.ArgumentException.With.Message.Contains(message));
    }

    private static unsafe float[] Read(DeviceMatrix<float> matrix) => new Span<float>((void*)matrix.Address, (int)matrix.Length).ToArray();
}
