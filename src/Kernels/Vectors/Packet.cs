using System.Runtime.InteropServices;

namespace Pascl.Kernels.Vectors;

/// <summary>16 bytes that a thread loads or stores with one instruction; its address must be a multiple of 16.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct Packet(uint x, uint y, uint z, uint w)
{
    public readonly uint X = x;
    public readonly uint Y = y;
    public readonly uint Z = z;
    public readonly uint W = w;
}
