namespace Pascl.Kernels.Device;

/// <summary>What a kernel's machine code uses, as NVIDIA's assembler counts it.</summary>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="SharedBytes">Static shared memory of a block.</param>
/// <param name="StackBytes">Stack of a thread, which lies in slow memory.</param>
/// <param name="SpillBytes">Bytes that a thread stores to and loads from slow memory because registers did not suffice.</param>
public sealed record KernelResources(int Registers, int SharedBytes, int StackBytes, int SpillBytes)
{
    /// <summary>Machine instructions whose name starts with a key, where a disassembler was at hand; otherwise empty.</summary>
    public IReadOnlyDictionary<string, int> Instructions { get; init; } = new Dictionary<string, int>();

    /// <summary>Whether everything a thread keeps is in registers.</summary>
    public bool StaysInRegisters => StackBytes == 0 && SpillBytes == 0;
}
