namespace Pascl.Kernels.Device;

/// <summary>A kernel in PTX.</summary>
/// <param name="Definition">What was compiled.</param>
/// <param name="EntryPoint">The function's name in the text.</param>
/// <param name="Text">A PTX module with this function.</param>
public sealed record PtxKernel(KernelDefinition Definition, string EntryPoint, string Text);
