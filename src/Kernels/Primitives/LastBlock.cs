using ILGPU;

namespace Pascl.Kernels;

/// <summary>Finds the block that finishes last, inside a kernel: it sees what all the others wrote and can sum it in a fixed order, without another launch.</summary>
internal static class LastBlock
{
    /// <summary>Announces that this block has written its part. Every thread must call, once; it contains two barriers.</summary>
    /// <param name="tickets">Counters that are 0 before the launch, and again after it.</param>
    /// <param name="index">The counter that these blocks share.</param>
    /// <param name="blocks">Number of blocks that share it.</param>
    /// <returns>Whether this is the last; the same for every thread of the block.</returns>
    public static bool Arrives(ArrayView<int> tickets, int index, int blocks)
    {
        var arrivedBefore = SharedMemory.Allocate<int>(1);
        Group.Barrier();
        if (Group.IdxX == 0)
        {
            // The fences order this block's writes before its ticket, and the other blocks' tickets before the reads that follow.
            MemoryFence.DeviceLevel();
            arrivedBefore[0] = Atomic.Add(ref tickets[index], 1);
            MemoryFence.DeviceLevel();
            if (arrivedBefore[0] == blocks - 1)
            {
                tickets[index] = 0;
            }
        }

        Group.Barrier();
        return arrivedBefore[0] == blocks - 1;
    }
}
