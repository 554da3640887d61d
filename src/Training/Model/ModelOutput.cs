using TorchSharp;

namespace Pascl.Training.Model;

/// <summary>What the model says about a batch of B images with C classes at inference.</summary>
/// <param name="MainLogits">(B, C), or as many columns as the method's head has: the main branch, from which the out-of-distribution score is computed.</param>
/// <param name="AuxiliaryLogits">As many columns: the auxiliary branch, which names the class.</param>
/// <param name="Features">(B, 8 * width): the main branch's features.</param>
/// <param name="Projection">(B, 128): the main branch's projection; rows of unit length.</param>
public sealed record ModelOutput(torch.Tensor MainLogits, torch.Tensor AuxiliaryLogits, torch.Tensor Features, torch.Tensor Projection);
