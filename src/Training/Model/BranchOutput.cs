using TorchSharp;

namespace Pascl.Training.Model;

/// <summary>What one branch computes for a batch of B images with C classes; float32 in every precision.</summary>
/// <param name="Logits">(B, columns of the head): the branch's classifier; C columns where it is a plain one.</param>
/// <param name="Features">(B, 8 * width): the average of the last stage over the image.</param>
/// <param name="Projection">(B, 128): the projection head of the contrastive loss; rows of unit length.</param>
public sealed record BranchOutput(torch.Tensor Logits, torch.Tensor Features, torch.Tensor Projection);
