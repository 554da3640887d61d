using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pascl.Training.Model;

/// <summary>
/// PyTorch's default initial values of convolutions and linear layers (<c>reset_parameters</c>), drawn from a generator of its own: weights and biases are
/// uniform within 1 / sqrt(fan-in), which is Kaiming initialisation with a = sqrt(5).
/// </summary>
internal static class Initialisation
{
    public static void Draw(nn.Module network, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var generator = new Generator(seed);
        foreach (var layer in network.modules())
        {
            var (weight, bias) = layer switch
            {
                Convolution convolution => (convolution.Weight, null),
                Linear linear => (linear.weight, linear.bias),
                _ => (null, null),
            };
            if (weight is not null)
            {
                var bound = 1 / Math.Sqrt(weight.shape.Skip(1).Aggregate(1L, (product, size) => product * size));
                weight.uniform_(-bound, bound, generator);
                bias?.uniform_(-bound, bound, generator);
            }
        }
    }
}
