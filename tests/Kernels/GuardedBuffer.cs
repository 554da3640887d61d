using System.Runtime.InteropServices;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>Device memory for a kernel's output, filled with a pattern and with margins of it on both sides, so that a write outside or a missing one shows.</summary>
internal sealed class GuardedBuffer<T> : IDisposable
    where T : unmanaged
{
    // Keeps the output aligned to 256 bytes.
    private const int Margin = 256;
    private const byte Poison = 0xF7;

    private readonly DeviceBuffer<T> buffer;
    private readonly int first;
    private readonly int length;

    /// <summary>Allocates an output.</summary>
    /// <param name="device">Where.</param>
    /// <param name="length">Elements.</param>
    /// <param name="offset">Elements by which the first misses an alignment of 256 bytes.</param>
    public GuardedBuffer(KernelDevice device, int length, int offset = 0)
    {
        (this.length, first) = (length, Margin + offset);
        var poison = new T[first + length + Margin];
        MemoryMarshal.AsBytes(poison.AsSpan()).Fill(Poison);
        buffer = device.Allocate<T>(poison);
    }

    /// <summary>Allocates something to read or to change.</summary>
    public GuardedBuffer(KernelDevice device, T[] values, int offset = 0)
        : this(device, values.Length, offset) => Write(values);

    public DeviceVector<T> Vector => buffer.Vector.Slice(first, length);

    public DeviceMatrix<T> Matrix(int rows, int columns)
    {
        Assert.That(rows * columns, Is.EqualTo(length));
        return new DeviceMatrix<T>(Vector.Address, rows, columns);
    }

    /// <summary>Gives a kernel something to change.</summary>
    public void Write(T[] values) => buffer.CopyFrom(values, first);

    /// <summary>Fails where something outside was written.</summary>
    public void CheckMargins() => CheckMargins(buffer.ToArray());

    /// <summary>The output; fails where an element was not written or something outside was.</summary>
    public T[] Read()
    {
        var all = buffer.ToArray();
        using (Assert.EnterMultipleScope())
        {
            CheckMargins(all);
            Assert.That(Array.FindIndex(all, first, length, IsPoison) - first, Is.LessThan(0), "index of an element that was not written");
        }

        return all[first..(first + length)];
    }

    public void Dispose() => buffer.Dispose();

    private void CheckMargins(T[] all)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(all.Take(first).All(IsPoison), "something was written before the output");
            Assert.That(all.Skip(first + length).All(IsPoison), "something was written after the output");
        }
    }

    private static bool IsPoison(T value)
    {
        foreach (var part in MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)))
        {
            if (part != Poison)
            {
                return false;
            }
        }

        return true;
    }
}
